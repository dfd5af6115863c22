import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import Result, Review, UsageError, aask, ask, resume, retry
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.open import Threads, open_threads
from tests.faults import Always, Hang, Status
from tests.provider import Provider
from tests.runs import (
    ALL,
    ANSWER,
    FILE,
    SECOND,
    calls_of,
    in_flight,
    latest,
    read,
    recipe_file,
    said,
    two_layers,
)
from tests.terminal import MOA, environment, moa, until

BELOW_FIRST = sorted([*SECOND, "agg"])
NO_LUCK = Status(400, message="no luck")


def of_quorum(quorum: int) -> Recipe:
    told = two_layers().resolved()
    told["layers"][0]["quorum"] = quorum
    return Recipe.model_validate(told)


def failed(threads: Threads, recipe: Recipe, text: str = "why?") -> Result:
    came = ask(text, recipe, thread="t", threads=threads)
    assert came.status == "failed"
    return came


def test_after_a_lost_quorum_only_the_failed_seats_are_asked(
    provider: Provider, threads: Threads
) -> None:
    provider.script("b", NO_LUCK)
    provider.script("c", NO_LUCK)
    came = failed(threads, of_quorum(2))
    assert str(came.error).startswith("layer 1 has 1 usable answers of 3, and needs 2 (02 openai:b")
    assert [p["ok"] for p in came.layers[0]["proposals"]] == [True, False, False]
    asked = calls_of(provider, lambda: retry("t", threads))
    assert asked == sorted(["b", "c", *BELOW_FIRST])
    assert said(latest(threads, "t")) == ["why?", ANSWER]


def test_a_retry_may_fail_again_and_the_next_asks_even_less(
    provider: Provider, threads: Threads
) -> None:
    provider.script("b", NO_LUCK, NO_LUCK)
    provider.script("c", NO_LUCK)
    failed(threads, of_quorum(3))
    assert calls_of(provider, lambda: retry("t", threads)) == ["b", "c"]
    assert calls_of(provider, lambda: retry("t", threads)) == sorted(["b", *BELOW_FIRST])


def test_a_quorum_that_is_lost_in_the_second_layer_leaves_the_first_alone(
    provider: Provider, threads: Threads
) -> None:
    for model in SECOND:
        provider.script(model, NO_LUCK)
    failed(threads, two_layers(), "one")
    assert calls_of(provider, lambda: retry("t", threads)) == BELOW_FIRST
    provider.script("d", NO_LUCK)
    came = ask("two", two_layers(), thread="t", threads=threads)
    assert (came.status, came.usage["calls"]) == ("done", len(ALL))


@pytest.mark.parametrize("how", [retry, resume])
def test_a_last_step_that_failed_is_asked_alone(
    provider: Provider, threads: Threads, how: Any
) -> None:
    provider.script("agg", NO_LUCK)
    came = failed(threads, two_layers())
    assert str(came.error) == "`L2_synthesize` got no answer from `openai:agg`: 400: no luck"
    assert came.usage["calls"] == len(ALL)
    assert len(came.layers) == 2
    assert calls_of(provider, lambda: how("t", threads)) == ["agg"]
    assert said(latest(threads, "t"))[-1].startswith("agg says")


def test_a_failed_turn_does_not_stop_the_next(provider: Provider, threads: Threads) -> None:
    provider.script("agg", NO_LUCK)
    failed(threads, two_layers(), "one")
    assert calls_of(
        provider, lambda: ask("two", two_layers(), thread="t", threads=threads)
    ) == sorted(ALL)
    assert said(latest(threads, "t"))[:2] == ["one", "two"]


@pytest.mark.parametrize("how", [retry, resume])
def test_what_is_done_is_neither_resumed_nor_retried(
    provider: Provider, threads: Threads, how: Any
) -> None:
    ask("why?", two_layers(), thread="t", threads=threads)
    with pytest.raises(UsageError, match="'t' is done: there is nothing to"):
        how("t", threads)


def test_a_pause_is_not_retried_and_a_failure_not_reviewed(
    provider: Provider, threads: Threads
) -> None:
    ask("why?", two_layers(), thread="t", threads=threads, pause_after=[1])
    with pytest.raises(UsageError, match="'t' is paused: `moa resume t`"):
        retry("t", threads)
    resume("t", threads)
    provider.script("agg", NO_LUCK)
    failed(threads, two_layers(), "two")
    with pytest.raises(UsageError, match="'t' is not paused for a review"):
        resume("t", threads, Review(drop=["01"]))


def stop(threads: Any, provider: Provider, asked: int) -> None:
    """Cancel a run once so many calls have arrived and the others are answered."""

    async def run() -> None:
        task = asyncio.create_task(aask("why?", two_layers(), thread="t", threads=threads))
        while len(provider.calls) < asked or in_flight(provider) > 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize("slow", ["b", "e", "agg"])
def test_a_run_that_was_cancelled_asks_only_what_had_not_answered(
    provider: Provider, threads: Threads, slow: str
) -> None:
    provider.script(slow, Hang())
    before = ALL[: {"b": 3, "e": 6, "agg": 7}[slow]]
    stop(threads, provider, len(before))
    asked = calls_of(provider, lambda: resume("t", threads))
    assert asked == sorted([slow, *(model for model in ALL if model not in before)])
    assert said(latest(threads, "t"))[0] == "why?"
    assert len(said(latest(threads, "t"))) == 2


def test_any_saver_recovers(provider: Provider) -> None:
    threads = InMemorySaver()
    provider.script("e", Hang())
    stop(threads, provider, 6)
    assert calls_of(provider, lambda: resume("t", threads)) == ["agg", "e"]
    provider.script("b", NO_LUCK)
    ask("two", of_quorum(3), thread="t", threads=threads)
    assert calls_of(provider, lambda: retry("t", threads)) == sorted(["b", *BELOW_FIRST])


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [MOA, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def test_ctrl_c_says_how_to_go_on_and_another_process_does(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    provider.script("e", Hang())
    recipe = recipe_file(tmp_path, provider.base_url)
    with started("ask", "--recipe", recipe, "--thread", "t", "why?") as process:
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in range(6)]
        assert "".join(told).count(": done in ") == 5
        until(lambda: "e" in [call.model for call in provider.calls])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "moa: stopped; `moa resume t` goes on from here"
    assert "Traceback" not in err
    done = moa("resume", "t", "--json")
    assert (done.code, json.loads(done.out)["answer"]) == (0, ANSWER)
    asked = [call.model for call in provider.calls]
    assert {model: asked.count(model) for model in ALL} == {
        model: 2 if model == "e" else 1 for model in ALL
    }


STUCK = """
import asyncio, os, sys
from moagraph.graphs.recipe.load import load_recipe
from moagraph import aask
from moagraph.threads.open import open_threads
from moagraph.threads.events import SilentObserver

recipe, prompt, named = sys.argv[1:]

class AtTheGate(SilentObserver):
    def run_started(self, recipe, thread_id):
        os.unlink(prompt)
        os.mkfifo(prompt)

with open_threads() as threads:
    said = recipe if named == "named" else load_recipe(recipe)
    asyncio.run(aask("why?", said, thread="t", threads=threads, watch=AtTheGate()))
"""


def killed_in_begin(folder: Path, url: str, named: str) -> None:
    """Kill a run whose question is kept and whose first node waits: its prompt is a pipe now."""
    prompt = folder / "prompt.md"
    prompt.write_text("$references")
    recipe = recipe_file(folder, url, FILE.replace("timeout", f"prompt = '{prompt}'\ntimeout"))
    words = [sys.executable, "-c", STUCK, recipe, str(prompt), named]
    with subprocess.Popen(words, env=environment()) as process, open_threads() as threads:
        until(lambda: prompt.is_fifo() and read(threads, "t"))
        process.kill()
    prompt.unlink()
    prompt.write_text("$references")


def test_a_run_that_was_killed_in_its_first_node_can_be_resumed(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    killed_in_begin(tmp_path, provider.base_url, "named")
    assert provider.calls == []
    done = moa("resume", "t")
    assert (done.code, done.out) == (0, ANSWER + "\n")
    assert len(provider.calls) == len(ALL)


def test_without_a_recipe_of_a_name_it_has_to_be_asked_again(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    killed_in_begin(tmp_path, provider.base_url, "unnamed")
    done = moa("resume", "t")
    told = "moa: thread 't' had not begun: ask its question again"
    assert (done.code, done.lines[-1]) == (2, told)
    done = moa("ask", "--recipe", str(tmp_path / "two.toml"), "--thread", "t", "why?")
    assert (done.code, done.out) == (0, ANSWER + "\n")


def test_a_thread_that_waits_for_the_first_answer_can_be_retried_from_another_process(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    for model in ("a", "b", "c"):
        provider.script(model, Always(NO_LUCK))
    recipe = recipe_file(tmp_path, provider.base_url)
    done = moa("ask", "--recipe", recipe, "--thread", "t", "why?")
    assert done.code == 1
    assert done.lines[-1].startswith("moa: layer 1 has 0 usable answers of 3, and needs 1")
    assert done.lines[-1].endswith("`moa retry t` asks again only what failed")
    for model in ("a", "b", "c"):
        provider.script(model)
    done = moa("retry", "t")
    assert (done.code, done.out) == (0, ANSWER + "\n")
    assert len(provider.calls) == 3 + len(ALL)
