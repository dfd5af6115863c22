from pathlib import Path
from typing import Any

import pytest

from moagraph import UnknownName, UsageError, ask, replay, resume, retry
from moagraph.nodes.errors import MoaError
from moagraph.threads.open import Threads
from tests.provider import Provider
from tests.runs import ALL, SECOND, calls_of, heard_by, latest, read, said, two_layers

BELOW_FIRST = sorted([*SECOND, "agg"])
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "from layer 0": ({"from_layer": 0}, sorted(ALL)),
    "from layer 1": ({"from_layer": 1}, BELOW_FIRST),
    "from layer 2": ({"from_layer": 2}, ["agg"]),
    "nothing said": ({}, ["agg"]),
    "edit above": ({"edit": {"1.2": "my own words"}}, BELOW_FIRST),
    "edit below": ({"edit": {"2.01": "my own words", "2.03": "and more"}}, ["agg"]),
    "drop above": ({"drop": ["1.01", "1.03"]}, BELOW_FIRST),
    "drop below": ({"drop": ["2.2"]}, ["agg"]),
    "again above": ({"again": ["1.02"]}, sorted([*BELOW_FIRST, "b"])),
    "again below": ({"again": ["2.02", "2.03"]}, ["agg", "e", "f"]),
    "edit and again": ({"edit": {"1.1": "mine"}, "again": ["1.3"]}, sorted([*BELOW_FIRST, "c"])),
    "another aggregator": ({"put": {"layers.2.aggregate.model": "openai:new"}}, ["new"]),
    "another seat": (
        {"put": {"layers.2.proposers.1.model": "openai:new"}},
        ["agg", "e", "f", "new"],
    ),
    "another quorum": ({"put": {"layers.1.quorum": "2"}}, BELOW_FIRST),
    "a setting of all": ({"put": {"layers.1.proposers.1.temperature": "0.1"}}, sorted(ALL)),
}
kinds = pytest.mark.parametrize(("changes", "asked"), KINDS.values(), ids=KINDS)


def ask_thread(threads: Threads, text: str = "why?", thread: str = "t") -> None:
    assert ask(text, two_layers(), thread=thread, threads=threads).status == "done"


@kinds
def test_only_what_follows_is_asked_once_and_the_original_stays(
    provider: Provider, threads: Threads, changes: dict[str, Any], asked: list[str]
) -> None:
    ask_thread(threads, "before")
    ask_thread(threads)
    before = read(threads, "t")
    assert calls_of(provider, lambda: replay("t", threads, **changes)) == asked
    after = read(threads, "t")
    assert {key: after[key] for key in before} == before
    assert len(after) > len(before)


@kinds
def test_a_replay_answers_the_question_anew_in_its_place(
    provider: Provider, threads: Threads, changes: dict[str, Any], asked: list[str]
) -> None:
    ask_thread(threads, "before")
    ask_thread(threads)
    came = replay("t", threads, **changes)
    last = next(name for name in asked if name in ("agg", "new"))
    number = [call.model for call in provider.calls].count(last)
    answer = f"{last} says: this is answer number {number}."
    first = "agg says: this is answer number 1."
    assert came.answer == answer
    assert said(latest(threads, "t")) == ["before", first, "why?", came.answer]


def test_an_edited_answer_is_what_is_heard(provider: Provider, threads: Threads) -> None:
    ask_thread(threads)
    came = replay("t", threads, edit={"1.2": "my own words"})
    assert "2. my own words" in heard_by(provider, "d")
    assert "b says" not in heard_by(provider, "d")
    assert [p["edited"] for p in came.layers[0]["proposals"]] == [False, True, False]


def test_a_dropped_answer_is_not_heard_and_its_text_is_kept(
    provider: Provider, threads: Threads
) -> None:
    ask_thread(threads)
    came = replay("t", threads, drop=["2.02"])
    assert "e says" not in heard_by(provider, "agg")
    assert "f says" in heard_by(provider, "agg")
    dropped = came.layers[1]["proposals"][1]
    assert (dropped["ok"], dropped["text"]) == (False, "e says: this is answer number 1.")


def test_a_seat_asked_again_hears_what_it_heard_before(
    provider: Provider, threads: Threads
) -> None:
    ask_thread(threads)
    heard = heard_by(provider, "e")
    came = replay("t", threads, again=["2.02"])
    assert heard_by(provider, "e") == heard
    assert came.layers[1]["proposals"][1]["text"] == "e says: this is answer number 2."
    assert came.layers[1]["proposals"][0]["text"] == "d says: this is answer number 1."


def test_replays_of_replays_keep_what_they_changed(provider: Provider, threads: Threads) -> None:
    ask_thread(threads)
    replay("t", threads, edit={"1.1": "edited once"})
    replay("t", threads, put={"layers.2.aggregate.model": "openai:new"})
    came = replay("t", threads, drop=["2.1"])
    assert came.layers[0]["proposals"][0]["text"] == "edited once"
    assert "d says" not in heard_by(provider, "new")
    assert came.answer == "new says: this is answer number 2."
    assert [call.model for call in provider.calls].count("a") == 1


def test_a_turn_after_a_replay_goes_on_from_the_fork(provider: Provider, threads: Threads) -> None:
    ask_thread(threads)
    replay("t", threads, edit={"2.1": "mine"})
    assert len(calls_of(provider, lambda: ask_thread(threads, "and?"))) == len(ALL)
    texts = said(latest(threads, "t"))
    assert texts[:3] == ["why?", "agg says: this is answer number 2.", "and?"]
    assert "answer number 1" not in heard_by(provider, "a")


def test_a_new_prompt_is_read_and_an_old_one_need_not_be_there(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    (tmp_path / "old.md").write_text("The old way: $references")
    recipe = two_layers(defaults={"prompt": str(tmp_path / "old.md")})
    ask("why?", recipe, thread="t", threads=threads)
    (tmp_path / "old.md").unlink()
    replay("t", threads, put={"layers.2.aggregate.prompt": "Another way: $references"})
    assert heard_by(provider, "agg").startswith("Another way: ")
    replay("t", threads, from_layer=1)
    assert heard_by(provider, "d").startswith("The old way: ")
    assert heard_by(provider, "agg").startswith("Another way: ")


def test_a_layer_that_lost_its_quorum_to_drops_can_be_replayed_from_before(
    provider: Provider, threads: Threads
) -> None:
    ask_thread(threads)
    came = replay("t", threads, drop=["1.1", "1.2", "1.3"])
    assert (came.status, "layer 1 has 0 usable answers" in str(came.error)) == ("failed", True)
    assert calls_of(provider, lambda: replay("t", threads, from_layer=0)) == sorted(ALL)
    assert said(latest(threads, "t"))[0] == "why?"


WRONG: dict[str, tuple[dict[str, Any], type[MoaError], str]] = {
    "no such layer": ({"from_layer": 3}, UnknownName, "there is no layer 3: the recipe has 2"),
    "no such layer of a seat": ({"edit": {"7.1": "x"}}, UnknownName, "there is no layer 7: the"),
    "no such seat": ({"drop": ["1.04"]}, UnknownName, "there is no seat 1.04: there are 01, 02, 0"),
    "seat 0": ({"again": ["1.0"]}, UnknownName, "there is no seat 1.00: there are 01, 02, 03"),
    "not a seat": ({"again": ["one"]}, UsageError, "'one' is not LAYER.SEAT, such as 2.02"),
    "two layers": ({"drop": ["1.1", "2.1"]}, UsageError, "edit, drop and again change the seats o"),
    "from another layer": (
        {"drop": ["1.1"], "from_layer": 2},
        UsageError,
        "edit, drop and again change the seats of one layer, the one that is replayed from",
    ),
    "a seat of layer 0": ({"edit": {"0.1": "x"}}, UsageError, "'0.1' is not LAYER.SEAT, such as"),
    "a setting that is above": (
        {"put": {"layers.1.proposers.1.model": "openai:new"}, "from_layer": 1},
        UsageError,
        "--set 'layers.1.proposers.1.model' changes what is before the end of layer 1, which stan",
    ),
    "a default": (
        {"put": {"defaults.temperature": "0.1"}},
        UsageError,
        "--set 'defaults.temperature' changes nothing: a run's seats and steps have their own",
    ),
    "no such setting": (
        {"put": {"layers.2.aggregate.colour": "red"}},
        UsageError,
        "--set gives no valid recipe: ",
    ),
    "no such path": ({"put": {"layers.9.review": "true"}}, UnknownName, "there is no layer 9: the"),
}


@pytest.mark.parametrize(("changes", "kind", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_replayed_is_refused_before_any_call(
    provider: Provider,
    threads: Threads,
    changes: dict[str, Any],
    kind: type[MoaError],
    message: str,
) -> None:
    ask_thread(threads)
    before = read(threads, "t")

    def refused() -> None:
        with pytest.raises(kind) as caught:
            replay("t", threads, **changes)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)

    assert calls_of(provider, refused) == []
    assert read(threads, "t") == before


def test_an_unknown_thread_is_told_by_its_name(provider: Provider, threads: Threads) -> None:
    for act in (replay, resume, retry):
        with pytest.raises(UnknownName, match="no thread is called 'nobody'"):
            act("nobody", threads)
