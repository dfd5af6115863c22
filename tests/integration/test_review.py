import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from moagraph import Result, Review, UsageError, ask, replay, resume, retry
from moagraph.api.resume import Saver
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.history import compile_recipe, config_of
from moagraph.threads.open import Threads
from tests.faults import Status
from tests.provider import Provider
from tests.runs import (
    ALL,
    ANSWER,
    FILE,
    FIRST,
    SECOND,
    calls_of,
    heard_by,
    latest,
    recipe_file,
    said,
    two_layers,
)
from tests.terminal import moa

BELOW_FIRST = sorted([*SECOND, "agg"])
HI: Any = {"messages": [("user", "why?")]}


def paused(threads: Saver, *layers: int) -> Result:
    came = ask("why?", two_layers(), thread="t", threads=threads, pause_after=layers)
    assert came.status == "paused"
    return came


def test_a_run_pauses_behind_the_layers_that_were_named(
    provider: Provider, threads: Threads
) -> None:
    came = paused(threads, 1, 2)
    assert (came.next, came.answer, len(provider.calls)) == (["L1_join"], "", 3)
    came = resume("t", threads)
    assert (came.status, came.next, len(provider.calls)) == ("paused", ["L2_join"], 6)
    came = resume("t", threads)
    assert (came.status, came.answer, len(provider.calls)) == ("done", ANSWER, 7)


def test_a_recipe_can_ask_for_a_review_itself(provider: Provider, threads: Threads) -> None:
    told = two_layers().resolved()
    told["layers"][1]["review"] = True
    came = ask("why?", Recipe.model_validate(told), thread="t", threads=threads)
    assert (came.status, came.next, len(provider.calls)) == ("paused", ["L2_join"], 6)
    assert calls_of(provider, lambda: resume("t", threads)) == ["agg"]


def test_the_next_turn_of_a_paused_recipe_pauses_only_where_it_is_told(
    provider: Provider, threads: Threads
) -> None:
    paused(threads, 1)
    resume("t", threads)
    assert ask("and?", two_layers(), thread="t", threads=threads).status == "done"


def test_the_pause_shows_the_answers_and_what_may_be_said(
    provider: Provider, threads: Threads
) -> None:
    paused(threads, 1)
    [shown] = compile_recipe(two_layers(), threads).get_state(config_of("t")).interrupts
    assert shown.value["layer"] == 1
    assert shown.value["answers"]["02"] == {
        "model": "openai:b",
        "text": "b says: this is answer number 1.",
    }


REVIEWS: dict[str, tuple[Review, list[str], list[str]]] = {
    "keep": (Review(), ["a says", "b says", "c says"], []),
    "edit": (Review(edit={"02": "mine"}), ["a says", "2. mine", "c says"], ["b says"]),
    "drop": (Review(drop=["01", "03"]), ["1. b says"], ["a says", "c says"]),
    "add": (Review(add=["one more", "and one"]), ["c says", "4. one more", "5. and one"], []),
    "pin": (Review(pin=["02"]), ["a says", "b says", "c says"], []),
    "all": (
        Review(edit={"01": "mine"}, drop=["02"], add=["more"], pin=["01"]),
        ["1. mine", "2. c says", "3. more"],
        ["a says", "b says"],
    ),
}


@pytest.mark.parametrize(("review", "heard", "unheard"), REVIEWS.values(), ids=REVIEWS)
def test_what_a_person_decides_is_what_is_handed_on(
    provider: Provider, threads: Threads, review: Review, heard: list[str], unheard: list[str]
) -> None:
    paused(threads, 1)
    assert calls_of(provider, lambda: resume("t", threads, review)) == BELOW_FIRST
    told = heard_by(provider, "d")
    assert [text for text in heard if text not in told] == []
    assert [text for text in unheard if text in told] == []
    records = latest(threads, "t")["layers"]["1"]
    assert [seat for seat, record in records.items() if record.get("pinned")] == review.pin
    assert len(records) == 3 + len(review.add)


def test_a_person_can_stop_the_run_and_think_again(provider: Provider, threads: Threads) -> None:
    paused(threads, 1)
    came = resume("t", threads, Review(abort=True))
    assert (came.status, came.error) == ("failed", "a person stopped the run behind layer 1")
    came = resume("t", threads, Review(drop=["01"]))
    assert (came.status, came.answer, len(provider.calls)) == ("done", ANSWER, 7)
    assert "a says" not in heard_by(provider, "d")


def test_too_many_drops_fail_the_quorum_and_can_be_mended(
    provider: Provider, threads: Threads
) -> None:
    paused(threads, 1)
    came = resume("t", threads, Review(drop=["01", "02", "03"]))
    assert came.status == "failed"
    assert str(came.error).startswith("layer 1 has 0 usable answers of 3, and needs 1")
    assert resume("t", threads, Review(drop=["01"])).answer == ANSWER
    assert len(provider.calls) == len(ALL)


WRONG = {
    "no such seat": (Review(edit={"09": "x"}), "the pause stays: edit.09.[key]: Input should be "),
    "no such seat to drop": (Review(drop=["4"]), "the pause stays: drop.0: Input should be '01',"),
    "no such seat to pin": (Review(pin=["x"]), "the pause stays: pin.0: Input should be '01', '02"),
}


@pytest.mark.parametrize(("review", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_decision_is_refused_and_the_pause_stays(
    provider: Provider, threads: Threads, review: Review, message: str
) -> None:
    paused(threads, 1)
    with pytest.raises(UsageError) as caught:
        resume("t", threads, review)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(provider.calls) == 3
    assert resume("t", threads, Review(drop=["03"])).answer == ANSWER


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_breakpoints_of_the_engine_stop_where_they_are_set(
    provider: Provider, threads: Threads, way: str
) -> None:
    graph: Any = build(two_layers()).compile(checkpointer=threads, interrupt_before=["L1_join"])

    def go(given: Any) -> Any:
        if way == "invoke":
            return graph.invoke(given, config_of("t"))
        return asyncio.run(graph.ainvoke(given, config_of("t")))

    go(HI)
    assert graph.get_state(config_of("t")).next == ("L1_join",)
    record = latest(threads, "t")["layers"]["1"]["02"]
    mine = {"layers": {"1": {"02": {**record, "text": "my own words"}}}}
    graph.update_state(config_of("t"), mine, as_node="L1_02_b")
    assert calls_of(provider, lambda: go(None)) == BELOW_FIRST
    assert "2. my own words" in heard_by(provider, "d")
    assert said(latest(threads, "t")) == ["why?", ANSWER]


def test_a_breakpoint_behind_a_join_can_be_edited_too(provider: Provider, threads: Threads) -> None:
    graph: Any = build(two_layers()).compile(checkpointer=threads)
    graph.invoke(HI, config_of("t"), interrupt_after=["L1_join"])
    assert set(graph.get_state(config_of("t")).next) == {"L2_01_d", "L2_02_e", "L2_03_f"}
    record = latest(threads, "t")["layers"]["1"]["02"]
    graph.update_state(config_of("t"), {"layers": {"1": {"02": {**record, "text": "mine"}}}})
    asked = calls_of(provider, lambda: graph.invoke(None, config_of("t")))
    assert asked == BELOW_FIRST
    assert "2. mine" in heard_by(provider, "d")


def test_any_saver_can_pause_and_resume_through_the_graph(provider: Provider) -> None:
    told = two_layers().resolved()
    told["layers"][0]["review"] = True
    graph: Any = build(Recipe.model_validate(told)).compile(checkpointer=InMemorySaver())
    state = graph.invoke(HI, config_of("t"))
    assert state["__interrupt__"][0].value["layer"] == 1
    with pytest.raises(ValueError, match="drop"):
        graph.invoke(Command(resume={"drop": ["nobody"]}), config_of("t"))
    with pytest.raises(ValueError, match="Input should be"):
        graph.invoke(Command(resume="keep"), config_of("t"))
    state = graph.invoke(Command(resume={"drop": ["01"]}), config_of("t"))
    assert state["messages"][-1].text == ANSWER
    assert len(provider.calls) == len(ALL)


def test_any_saver_can_pause_and_resume_through_the_library(provider: Provider) -> None:
    threads = InMemorySaver()
    paused(threads, 1)
    assert resume("t", threads, Review(edit={"02": "mine"})).answer == ANSWER
    assert "2. mine" in heard_by(provider, "d")


def test_a_pause_outlives_the_process_and_another_goes_on(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    recipe = recipe_file(tmp_path, provider.base_url)
    done = moa("ask", "--recipe", recipe, "--thread", "t", "--pause-after", "1", "why?")
    assert (done.code, done.out) == (0, "")
    assert sorted(call.model for call in provider.calls) == FIRST
    (tmp_path / "two.toml").unlink()
    (tmp_path / "more").write_text("from a file")
    wrong = moa("resume", "t", "--drop", "2.1")
    assert wrong.code == 2
    assert wrong.lines[-1] == "moa: 2.01 cannot be changed: the thread is paused at layer 1"
    told = ["--edit", "1.2=mine", "--drop", "1.3", "--add", f"@{tmp_path / 'more'}"]
    done = moa("resume", "t", *told, "--pin", "1.1")
    assert (done.code, done.out) == (0, ANSWER + "\n")
    heard = heard_by(provider, "d")
    assert "2. mine" in heard
    assert "3. from a file" in heard
    assert len(provider.calls) == len(ALL)


def test_a_run_is_paused_behind_every_layer_and_kept_as_it_is(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    recipe = recipe_file(tmp_path, provider.base_url, "name = 'x'\n" + FILE)
    moa("ask", "--recipe", recipe, "--thread", "t", "--pause-after", "all", "why?")
    done = moa("resume", "t")
    assert (done.code, done.out, len(provider.calls)) == (0, "", 6)
    done = moa("resume", "t")
    assert (done.code, done.out, len(provider.calls)) == (0, ANSWER + "\n", 7)


def test_what_a_person_decided_stands_when_its_layer_is_replayed_from(
    provider: Provider, threads: Threads
) -> None:
    paused(threads, 1)
    resume("t", threads, Review(edit={"01": "mine"}, drop=["02"], add=["my own"]))
    assert calls_of(provider, lambda: replay("t", threads, from_layer=1)) == BELOW_FIRST
    heard = heard_by(provider, "d")
    assert "1. mine\n2. c says: this is answer number 1.\n3. my own" in heard
    came = replay("t", threads, edit={"1.4": "my better one"})
    assert came.status == "done"
    assert "3. my better one" in heard_by(provider, "d")
    with pytest.raises(
        UsageError, match=r"1\.04 is a person's answer: no model can be asked again"
    ):
        replay("t", threads, again=["1.4"])


def test_a_new_answer_of_a_reviewed_layer_is_looked_at_again(
    provider: Provider, threads: Threads
) -> None:
    paused(threads, 1)
    resume("t", threads)
    assert calls_of(provider, lambda: replay("t", threads, again=["1.2"])) == ["b"]
    assert resume("t", threads, Review(pin=["02"])).status == "done"


def test_seats_that_failed_can_be_asked_again_after_a_decision_in_vain(
    provider: Provider, threads: Threads
) -> None:
    provider.script("b", Status(400))
    paused(threads, 1)
    assert resume("t", threads, Review(drop=["01", "03"])).status == "failed"
    assert calls_of(provider, lambda: retry("t", threads)) == ["b"]
    assert resume("t", threads, Review(drop=["01", "03"])).answer == ANSWER
    assert "1. b says: this is answer number 2." in heard_by(provider, "d")
