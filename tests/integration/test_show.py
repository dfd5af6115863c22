import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import (
    QuorumFailed,
    Review,
    UnknownName,
    UsageError,
    aask,
    areplay,
    aresume,
    aretry,
    open_threads,
)
from moagraph.cli.app import app
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.branches import read_branches
from moagraph.threads.diff import compare_turns
from moagraph.threads.open import Threads
from moagraph.threads.turn_view import TurnView, read_turn
from tests.faults import Status
from tests.mixtures import mixture
from tests.provider import Provider
from tests.terminal import moa

LAYERS = ["ab", "cd", "ef"]
THREE = mixture(*([f"openai:{name}" for name in layer] for layer in LAYERS))
TWO = mixture(["scripted:one", "scripted:two"], aggregator="scripted:the answer")


def ask(threads: Threads, question: str, recipe: Recipe = THREE, **options: Any) -> Any:
    return asyncio.run(aask(question, recipe, thread="t", threads=threads, **options))


def replay(threads: Threads, **changes: Any) -> Any:
    return asyncio.run(areplay("t", threads, **changes))


def look(threads: Threads, name: str = "t", **which: Any) -> TurnView:
    return asyncio.run(read_turn(threads, name, **which))


def sent(found: TurnView) -> dict[str, Any]:
    """What `--sent` shows, by the model that it was sent to."""
    told = found.as_json(sent=True)
    records = [*(p for layer in told["layers"] for p in layer["proposals"]), *told["steps"]]
    return {one["model"].split(":")[-1]: one["sent"] for one in records if "model" in one}


def heard(provider: Provider) -> dict[str, Any]:
    """What the server was sent last, by model."""
    return {call.model: call.messages for call in provider.calls}


def with_review(recipe: Recipe) -> Recipe:
    said = recipe.resolved()
    said["layers"][0]["review"] = True
    return Recipe.model_validate(said)


def test_what_was_sent_is_what_the_server_heard(provider: Provider, threads: Threads) -> None:
    ask(threads, "first?", system="Be brief.")
    first = heard(provider)
    assert len(first) == 7
    assert sent(look(threads)) == first
    ask(threads, "second $question?")
    second = heard(provider)
    assert sent(look(threads)) == second != first
    assert sent(look(threads, turn=1)) == first
    provider.reply("c", "another answer")
    replay(threads, edit={"1.2": "a person's words"}, from_layer=1)
    third = heard(provider)
    assert {name for name in third if third[name] != second[name]} == set("cdef") | {"agg"}
    assert sent(look(threads)) == third
    assert sent(look(threads, "t@1")) == second
    assert sent(look(threads, turn=1)) == sent(look(threads, "t@1", turn=1)) == first


def test_what_was_sent_holds_after_a_review(provider: Provider, threads: Threads) -> None:
    ask(threads, "why?", with_review(THREE))
    assert set(sent(look(threads))) == {"a", "b"}
    said = Review(edit={"01": "edited"}, drop=["02"], add=["mine"])
    asyncio.run(aresume("t", threads, said))
    told = sent(look(threads))
    assert told.pop("person", None) is None
    assert {name: told[name] for name in heard(provider)} == heard(provider)


def test_a_stored_turn_reads_as_the_run_told_it(provider: Provider, threads: Threads) -> None:
    came = ask(threads, "why?").as_json()
    told = look(threads).as_json()
    assert [told["question"], told["turn"], told["turns"]] == ["why?", 1, 1]
    assert {**came, "seconds": told["seconds"]}.items() <= told.items()
    assert 0 < told["seconds"] <= came["seconds"]


def test_a_failed_turn_says_why_and_a_retry_mends_it(provider: Provider, threads: Threads) -> None:
    provider.script("a", Status(400, message="no $luck 'here'"))
    said = THREE.resolved()
    said["layers"][0]["quorum"] = 2
    failed = ask(threads, "why?", Recipe.model_validate(said))
    told = look(threads).run_result
    assert (told.status, told.error, told.answer) == ("failed", failed.error, "")
    assert QuorumFailed.__name__ not in str(told.error)
    assert [p["ok"] for p in told.layers[0]["proposals"]] == [False, True]
    assert asyncio.run(aretry("t", threads)).status == "done"
    assert look(threads).run_result.status == "done"
    assert look(threads).forks == 1


def test_a_turn_that_was_refused_shows_nothing_of_the_turn_before(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(threads, "first?", TWO)
    with pytest.raises(Exception, match="OPENAI_API_KEY"):
        ask(threads, "second?")
    told = look(threads).run_result
    assert (told.status, told.layers, told.steps, told.usage["calls"]) == ("failed", [], [], 0)
    assert look(threads).question == "second?"
    assert look(threads, turn=1).run_result.answer == "the answer"


def test_a_paused_turn_says_what_is_next(threads: Threads) -> None:
    ask(threads, "why?", with_review(TWO))
    told = look(threads).as_json()
    assert (told["status"], told["next"], told["answer"]) == ("paused", ["L1_join"], "")
    assert [p["text"] for p in told["layers"][0]["proposals"]] == ["one", "two"]


def test_an_older_turn_is_read_by_its_own_recipe(threads: Threads) -> None:
    three = mixture(["scripted:x"], ["scripted:y"], ["scripted:z"], aggregator="scripted:end")
    ask(threads, "first?", three)
    ask(threads, "second?", TWO)
    old = look(threads, turn=1)
    assert (old.run_result.status, old.run_result.answer, len(old.layers)) == ("done", "end", 3)
    assert [len(layer.steps) for layer in old.layers] == [1, 1, 2]
    assert [layer.number for layer in look(threads, turn=1, layer=2).layers] == [2]


def test_forks_keep_their_numbers(threads: Threads) -> None:
    for question in ("first?", "second?"):
        ask(threads, question, TWO)
    replay(threads, edit={"1.1": "edited"})
    replay(threads, drop=["1.2"])
    ask(threads, "third?", TWO)
    replay(threads, from_layer=0)
    tree = asyncio.run(read_branches(threads, "t"))
    assert [(fork.number, fork.origin) for fork in tree.forks] == [
        (1, None), (2, 1), (3, 2), (4, 3),
    ]  # fmt: skip
    assert [len(tree.turns(fork)) for fork in tree.forks] == [2, 2, 3, 3]
    assert tree.newest.number == 4
    questions = [look(threads, f"t@{number}").question for number in (1, 2, 3, 4)]
    assert questions == ["second?", "second?", "third?", "third?"]
    edited = [look(threads, f"t@{n}", turn=2).layers[0].proposals[0]["edited"] for n in (1, 2, 3)]
    assert edited == [False, True, True]


def test_a_thread_may_be_called_as_a_fork_is(threads: Threads) -> None:
    asyncio.run(aask("so?", TWO, thread="a@2", threads=threads))
    assert look(threads, "a@2").run_result.thread_id == "a@2"
    assert look(threads, "a@2@1").fork == 1


def test_any_saver_can_be_read() -> None:
    saver = InMemorySaver()
    asyncio.run(aask("why?", TWO, thread="t", threads=saver))
    assert asyncio.run(read_turn(saver, "t")).run_result.answer == "the answer"


@pytest.mark.parametrize(
    ("name", "which", "told"),
    [
        ("nobody", {}, "no thread is called 'nobody'"),
        ("nobody@1", {}, "no thread is called 'nobody'"),
        ("t@2", {}, "thread 't' has no fork @2"),
        ("t@0", {}, "thread 't' has no fork @0"),
        ("t", {"turn": 2}, "thread 't' has 1 turn, so there is no 2"),
        ("t", {"turn": 0}, "there is no 0"),
        ("t", {"layer": 2}, "there is no layer 2: the recipe has 1"),
    ],
)
def test_what_is_not_there_is_named(name: str, which: dict[str, int], told: str) -> None:
    with open_threads() as threads:
        ask(threads, "why?", TWO)
        with pytest.raises(UnknownName, match=told):
            look(threads, name, **which)


def test_two_forks_differ_where_an_answer_was_changed(threads: Threads) -> None:
    echo = mixture(["scripted:one", "scripted:two"], aggregator="scripted:same")
    ask(threads, "why?", echo)
    replay(threads, edit={"1.1": "one and a half"}, drop=["1.2"])
    found = compare_turns(look(threads, "t@1"), look(threads, "t@2")).as_json()
    by_name = {answer["name"]: answer for answer in found["answers"]}
    assert {name: one["same"] for name, one in by_name.items()} == {
        "1.01": False, "1.02": False, "answer": True,
    }  # fmt: skip
    assert by_name["1.01"]["changes"] == "[-one-]{+one and a half+}"
    assert by_name["1.02"]["kinds"] == ("ok", "skipped")
    assert [run["fork"] for run in found["runs"]] == [1, 2]


def test_runs_of_different_recipes_differ_seat_by_seat(threads: Threads) -> None:
    ask(threads, "why?", TWO)
    other = mixture(["scripted:one"], ["scripted:more"], aggregator="scripted:the answer")
    asyncio.run(aask("why?", other, thread="u", threads=threads))
    found = compare_turns(look(threads), look(threads, "u"))
    told = {one.name: (one.same, one.texts) for one in found.answers}
    assert told == {
        "1.01": (True, ("one", "one")),
        "1.02": (False, ("two", None)),
        "2.01": (False, (None, "more")),
        "answer": (True, ("the answer", "the answer")),
    }


@pytest.fixture
def kept() -> None:
    """A thread of two forks, where `moa` finds it."""
    hostile = mixture(["scripted:a\x1b[31m\u202eb", "scripted:two"], aggregator="scripted:fine")
    with open_threads() as threads:
        ask(threads, "why\x07?", hostile)
        replay(threads, edit={"1.2": "mine"})


@pytest.fixture
def show(kept: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `moa show` writes to standard output, in this process."""

    def shows(*words: str) -> str:
        app(["show", *words], standalone_mode=False)
        return capsys.readouterr().out

    return shows


def test_moa_show_tells_a_turn_and_drives_no_terminal(show: Callable[..., str]) -> None:
    text = show("t", "--sent")
    assert text.splitlines()[0] == "thread t, fork @2 of 2, turn 1 of 1, recipe `mixture`: done"
    for told in ("question\n  why?\n", "\nlayer 1\n", "done, edited: ", "sent, as user:", "mine"):
        assert told in text
    assert "\nanswer\nfine\n\n3 calls, " in text
    assert "2. mine" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "answer" not in show("t", "--layer", "1")
    original = show("t@1")
    assert "edited" not in original
    assert "mine" not in original


def test_moa_show_json_is_one_object(show: Callable[..., str]) -> None:
    told = json.loads(show("t", "--json"))
    assert (told["question"], told["fork"], told["answer"]) == ("why\x07?", 2, "fine")
    assert "sent" not in told["layers"][0]["proposals"][0]
    with_sent = json.loads(show("t", "--json", "--sent"))
    assert with_sent["steps"][-1]["sent"][0]["role"] == "system"
    listed = json.loads(show("t", "--forks", "--json"))
    assert [(fork["fork"], fork["forked_from"]) for fork in listed] == [(1, None), (2, 1)]


def test_moa_show_tells_forks_and_what_they_differ_in(show: Callable[..., str]) -> None:
    lines = show("t", "--forks").splitlines()
    assert [line.split()[0] for line in lines] == ["t@1", "t@2"]
    assert "forked from @1" in lines[1]
    differ = show("--diff", "t@1", "t@2")
    assert "the same: 1.01, answer" in differ
    assert "[-two-]{+mine+}" in differ
    assert "difference: +0 calls, " in differ
    assert show("t", "--diff", "1", "2") == show("t", "--diff", "@1", "@2") == differ
    assert json.loads(show("t", "--diff", "1", "2", "--json"))["answers"]


def test_moa_show_writes_a_page(show: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert show("t", "--html", str(file)) == ""
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match=f"cannot write '{tmp_path}': Is a directory"):
        show("t", "--html", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say which thread"),
        (["t", "--diff", "1", "9"], "thread 't' has no fork @9"),
        (["t", "--diff", "1", "2", "--sent"], "--diff does not go with --sent"),
        (["t", "--forks", "--turn", "1"], "--forks does not go with --turn"),
    ],
)
def test_moa_show_refuses_what_cannot_be_shown(
    show: Callable[..., str], words: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        show(*words)


def test_an_unknown_thread_is_one_line_and_exit_code_2() -> None:
    done = moa("show", "nobody")
    told = "moa: no thread is called 'nobody'; `moa threads` lists them"
    assert (done.code, done.out, done.lines) == (2, "", [told])
