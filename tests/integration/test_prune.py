import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moagraph import Review, UnknownName, UsageError, ask, replay, resume, retry
from moagraph.threads.archive import export_thread, import_thread, read_checkpoints
from moagraph.threads.export_schema import make_document
from moagraph.threads.open import Threads
from moagraph.threads.prune import delete_thread, prune, prune_old_threads, time_of
from tests.faults import Always, Status
from tests.provider import Provider
from tests.runs import SECOND, calls_of, latest, read, said, two_layers

NOW = timedelta(0)
TURNS = ["one", "two", "three"]


@pytest.fixture
def talked(provider: Provider, threads: Threads) -> Threads:
    """Thread `t` has three turns, and the last of them two forks."""
    for question in TURNS:
        ask(question, two_layers(), thread="t", threads=threads)
    replay("t", threads, drop=["1.02"])
    replay("t", threads, again=["2.01"])
    return threads


def names(threads: Threads) -> list[str]:
    return sorted(name for name, _ in threads.names())


def aged(threads: Threads, thread: str, name: str) -> None:
    """A copy of the thread that looks as if it had been made in 2024."""
    told = export_thread(threads, thread)
    newest = told["checkpoints"][-1]["id"]
    assert time_of(newest).year > 2024
    text = json.dumps(told["checkpoints"]).replace(f'"{newest[:4]}', '"1ef0')
    import_thread(threads, make_document(name, json.loads(text)))


def test_a_pruned_thread_reads_as_before_in_its_last_turn(talked: Threads) -> None:
    before = read(talked, "t")
    pruned = prune(talked, "t")
    after = read(talked, "t")
    assert len(before) - len(after) == pruned.checkpoints > 10
    assert _values(after) == {key: value for key, value in _values(before).items() if key in after}
    assert [one.metadata["source"] for one in read_checkpoints(talked, "t").values()].count(
        "input"
    ) == 1
    assert len(said(latest(talked, "t"))) == 6


def _values(states: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values for key, (values, _) in states.items()}


def test_a_pruned_thread_can_be_replayed_from_every_layer(
    provider: Provider, talked: Threads
) -> None:
    prune(talked, "t")
    asked = calls_of(provider, lambda: replay("t", talked, from_layer=1))
    assert asked == sorted([*SECOND, "agg"])
    assert len(calls_of(provider, lambda: replay("t", talked, from_layer=0))) == 7
    assert calls_of(provider, lambda: replay("t", talked, edit={"2.01": "mine"})) == ["agg"]
    assert said(latest(talked, "t"))[::2] == TURNS


def test_a_pruned_thread_goes_on(provider: Provider, talked: Threads) -> None:
    prune(talked, "t")
    ask("four", two_layers(), thread="t", threads=talked)
    assert said(latest(talked, "t"))[::2] == [*TURNS, "four"]
    assert prune(talked, "t").checkpoints
    assert said(latest(talked, "t"))[::2] == [*TURNS, "four"]


def test_to_prune_twice_is_to_prune_once(talked: Threads) -> None:
    prune(talked, "t")
    before = export_thread(talked, "t")
    assert prune(talked, "t").checkpoints == 0
    assert export_thread(talked, "t") == before


def test_pruning_frees_what_it_says(talked: Threads) -> None:
    before = talked.size("t")
    freed = prune(talked, "t").bytes
    assert 0 < freed == before - talked.size("t")
    left = talked.size("t")
    assert delete_thread(talked, "t").bytes == left
    assert talked.size("t") == 0


def test_a_paused_thread_stays_paused(provider: Provider, threads: Threads) -> None:
    for question in TURNS[:2]:
        ask(question, two_layers(), thread="t", threads=threads)
    ask("three", two_layers(), thread="t", threads=threads, pause_after=[1])
    assert prune(threads, "t").checkpoints
    asked = calls_of(provider, lambda: resume("t", threads, Review(drop=["01"])))
    assert asked == sorted([*SECOND, "agg"])
    assert said(latest(threads, "t"))[::2] == TURNS


def test_a_failed_thread_can_be_retried_still(provider: Provider, threads: Threads) -> None:
    ask("one", two_layers(), thread="t", threads=threads)
    provider.script("agg", Always(Status(400)))
    ask("two", two_layers(), thread="t", threads=threads)
    provider.reset()
    assert prune(threads, "t").checkpoints
    assert calls_of(provider, lambda: retry("t", threads)) == ["agg"]
    assert said(latest(threads, "t"))[::2] == TURNS[:2]


def test_another_thread_stays_as_it_is(talked: Threads) -> None:
    import_thread(talked, export_thread(talked, "t"), "u")
    before = export_thread(talked, "u")
    prune(talked, "t")
    assert export_thread(talked, "u") == before
    delete_thread(talked, "t")
    assert export_thread(talked, "u") == before


KILLED = """
import os, sys
from moagraph import open_threads
from moagraph.threads.prune import prune
with open_threads() as threads:
    threads.drop = lambda *_: os._exit(9)
    prune(threads, "t")
"""


def test_a_prune_that_is_killed_halfway_loses_nothing(talked: Threads) -> None:
    before = read(talked, "t")
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == 9
    assert {key: before[key] for key in _values(read(talked, "t"))}
    assert _values(read(talked, "t")) == _values(before)
    assert prune(talked, "t").checkpoints
    assert said(latest(talked, "t"))[::2] == TURNS


def test_a_running_thread_is_neither_pruned_nor_deleted(talked: Threads) -> None:
    before = export_thread(talked, "t")
    for act in (prune, delete_thread):
        with talked.held("t"), pytest.raises(UsageError, match="is running"):
            act(talked, "t")
    with talked.held("t"):
        [left] = prune_old_threads(talked, NOW)
    assert "is running" in str(left.error)
    assert export_thread(talked, "t") == before


def test_an_unknown_thread_is_told_in_one_line(threads: Threads) -> None:
    for act in (prune, delete_thread):
        with pytest.raises(UnknownName, match=r"no thread is called 'x'; `moa threads` lists"):
            act(threads, "x")


@pytest.mark.parametrize("keep_latest", [False, True])
def test_a_sweep_takes_the_old_and_leaves_the_young(talked: Threads, keep_latest: bool) -> None:
    aged(talked, "t", "old")
    young, old = export_thread(talked, "t"), read(talked, "old")
    [one] = prune_old_threads(talked, timedelta(days=30), keep_latest)
    assert (one.thread_id, one.error) == ("old", None)
    assert names(talked) == (["old", "t"] if keep_latest else ["t"])
    assert one.checkpoints == len(old) - len(read(talked, "old"))
    assert export_thread(talked, "t") == young


def test_an_id_tells_when_its_checkpoint_was_made(talked: Threads) -> None:
    [(_, newest)] = talked.names()
    told = datetime.fromisoformat(read_checkpoints(talked, "t")[newest].checkpoint["ts"])
    assert abs(time_of(newest) - told) < timedelta(seconds=1)
    assert time_of(newest) <= datetime.now(UTC)


@pytest.mark.usefixtures("provider")
def test_names_come_newest_first_and_no_more_than_asked_for(threads: Threads) -> None:
    for name in ("b", "a", "c", "a"):
        ask("hi", two_layers(), thread=name, threads=threads)
    assert [name for name, _ in threads.names()] == ["a", "c", "b"]
    assert [name for name, _ in threads.names(2)] == ["a", "c"]
