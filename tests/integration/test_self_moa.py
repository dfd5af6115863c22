import asyncio
import json
from typing import Any

import pytest

from moagraph import ask, open_threads
from moagraph.api.estimate import estimate_turn
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.prompts import read
from tests.faults import Always, Status
from tests.mixtures import graph_of
from tests.provider import Call, Provider
from tests.terminal import moa

PROMPT = read("synthesize")


def seq(samples: int, **said: Any) -> Recipe:
    step = {"step": "synthesize", "model": "openai:agg", **said}
    layer = {"proposers": [{"model": "openai:one", "count": samples}], "aggregate": step}
    return Recipe.model_validate({"name": "seq", "layers": [layer], "defaults": {"attempts": 1}})


def by_number(provider: Provider) -> None:
    """Which sample comes first is chance, so each says what its seat is not told: a number."""
    provider.reply("one", *(f"sample {number}" for number in range(1, 100)))
    provider.reply("agg", *(f"so far {number}" for number in range(1, 100)))


def read_by(provider: Provider) -> list[list[str]]:
    """What each of the aggregator's calls read, in its order."""
    return [
        [line.partition(". ")[2] for line in references(call)]
        for call in provider.calls
        if call.model == "agg"
    ]


def references(call: Call) -> list[str]:
    system = str(call.messages[0]["content"])
    assert system.startswith(f"{PROMPT}\n1. ")
    return system.removeprefix(f"{PROMPT}\n").split("\n")


def test_later_windows_read_the_answer_so_far_beside_new_samples(provider: Provider) -> None:
    by_number(provider)
    recipe = seq(16, window=6)
    came = ask("hi", recipe)
    samples = [proposal["text"] for proposal in came.layers[0]["proposals"]]
    assert read_by(provider) == [
        samples[:6],
        ["so far 1", *samples[6:11]],
        ["so far 2", *samples[11:16]],
    ]
    assert (came.answer, came.usage["calls"], max_calls(recipe)) == ("so far 3", 19, 19)
    drawn = build(recipe).edges
    assert ("L1_synthesize", "L1_synthesize_2") in drawn
    assert ("L1_synthesize_2", "L1_synthesize_3") in drawn


def test_the_answer_so_far_may_take_several_places(provider: Provider) -> None:
    by_number(provider)
    came = ask("hi", seq(9, window=6, carry=3))
    samples = [proposal["text"] for proposal in came.layers[0]["proposals"]]
    assert read_by(provider) == [samples[:6], ["so far 1"] * 3 + samples[6:]]


def test_six_samples_are_one_window_and_the_papers_message(provider: Provider) -> None:
    by_number(provider)
    came = ask("hi", seq(6, window=6))
    samples = [proposal["text"] for proposal in came.layers[0]["proposals"]]
    assert read_by(provider) == [samples]
    assert "told" not in came.steps[-1]


@pytest.mark.parametrize("failed", [1, 5, 6, 11])
def test_samples_that_fail_leave_the_first_windows_idle(provider: Provider, failed: int) -> None:
    by_number(provider)
    provider.script("one", *[Status(400)] * failed, *[None] * 50)
    recipe = seq(16, window=6)
    came = ask("hi", recipe)
    texts = [proposal["text"] for proposal in came.layers[0]["proposals"] if proposal["ok"]]
    told = read_by(provider)
    assert [text for window in told for text in window if text.startswith("sample")] == texts
    assert len(told) == max_calls(seq(16 - failed, window=6)) - (16 - failed)
    assert came.answer == f"so far {len(told)}"


def test_what_a_window_was_sent_is_shown_again(provider: Provider) -> None:
    by_number(provider)
    with open_threads() as threads:
        ask("hi", seq(9, window=6), thread="t", threads=threads)
    shown = json.loads(moa("show", "t", "--sent", "--json").out)["steps"]
    sent = [step["sent"] for step in shown if step.get("sent")]
    assert sent == [call.messages for call in provider.calls if call.model == "agg"]


def test_an_estimate_counts_a_window_at_its_own_length() -> None:
    few = asyncio.run(estimate_turn("hi", load_recipe("self-moa")))
    many = asyncio.run(estimate_turn("hi", load_recipe("self-moa-seq")))
    assert (few["calls"], many["calls"]) == (7, 11)
    question = (few["tokens"] - 6 * 96 - (150 + 6 * 96 + 192)) // 7
    window = question + 150 + 3 * 192 + 3 * 96 + 192
    assert many["tokens"] == 9 * (question + 96) + 2 * window


def long_ones(provider: Provider, *sizes: int) -> None:
    provider.reply("one", *("word " * size for size in sizes))
    provider.reply("agg", *(f"so far {number}" for number in range(1, 100)))


def test_what_does_not_fit_is_read_window_by_window_inside_one_node(provider: Provider) -> None:
    long_ones(provider, *[900] * 5)
    recipe = seq(5, overflow="windows", context_window=4000)
    with open_threads() as threads:
        came = ask("hi", recipe, thread="t", threads=threads)
    step = came.steps[-1]
    assert [len(texts) for texts in read_by(provider)] == [2, 3, 2]
    assert [texts[0][:6] for texts in read_by(provider)] == ["word w", "so far", "so far"]
    assert "left out" not in str([call.messages for call in provider.calls])
    assert (step["windows"], [*step["calls"]]) == (3, ["window 1", "window 2"])
    assert (came.answer, came.usage["calls"]) == ("so far 3", 8)
    shown = json.loads(moa("show", "t", "--sent", "--json").out)["steps"][-1]
    sent = [*(call["sent"] for call in shown["calls"].values()), shown["sent"]]
    assert sent == [call.messages for call in provider.calls if call.model == "agg"]


def test_what_fits_is_one_call_with_the_papers_message(provider: Provider) -> None:
    by_number(provider)
    came = ask("hi", seq(5, overflow="windows", context_window=4000))
    assert [len(texts) for texts in read_by(provider)] == [5]
    assert "calls" not in came.steps[-1]


def test_only_the_last_of_the_windows_is_heard_as_the_answer(provider: Provider) -> None:
    long_ones(provider, *[900] * 5)
    recipe = seq(5, overflow="windows", context_window=4000)
    graph = graph_of(recipe)
    heard = "".join(
        str(message.text)
        for message, place in graph.stream(
            {"messages": [{"role": "user", "content": "hi"}]}, stream_mode="messages"
        )
        if place.get("role") == "answer" and message.type in ("AIMessageChunk", "ai")
    )
    assert "so far 3" in heard
    assert "so far 1" not in heard


def test_a_budget_of_calls_ends_the_windows_early(provider: Provider) -> None:
    long_ones(provider, *[900] * 5)
    said = seq(5, overflow="windows", context_window=4000).resolved()
    came = ask("hi", Recipe.model_validate({**said, "budget": {"max_calls": 7}}))
    assert len(read_by(provider)) == 2
    assert (came.answer, came.usage["calls"]) == ("so far 2", 7)
    assert came.steps[-1]["shortened"]


def test_a_window_that_fails_keeps_those_before_it_on_the_bill(provider: Provider) -> None:
    long_ones(provider, *[900] * 5)
    provider.script("agg", None, Always(Status(400)))
    came = ask("hi", seq(5, overflow="windows", context_window=4000))
    assert (came.status, came.usage["calls"]) == ("failed", 7)


def test_the_first_answer_stands_where_no_aggregator_answers(provider: Provider) -> None:
    by_number(provider)
    provider.script("agg", Always(Status(400)))
    came = ask("hi", seq(3, otherwise="first"))
    assert (came.status, came.answer) == ("done", came.layers[0]["proposals"][0]["text"])
    assert (came.steps[-1]["stands"], came.usage["calls"]) == ("01", 4)
    assert "got no answer from `openai:agg`" in came.steps[-1]["why"]


def test_a_carry_that_fills_the_window_is_refused() -> None:
    with pytest.raises(
        ValueError, match="`carry` 6 leaves no place for answers in a `window` of 6"
    ):
        seq(9, window=6, carry=6)
