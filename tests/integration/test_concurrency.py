import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import Review, UsageError, aask, areplay, aresume, aretry, ask, resume
from moagraph.api.resume import Saver
from moagraph.threads.events import SilentObserver
from moagraph.threads.open import Threads, open_threads
from tests.faults import Gate, Hang
from tests.mixtures import mixture
from tests.provider import Provider
from tests.runs import ALL, ANSWER, in_flight, latest, recipe_file, said, two_layers
from tests.terminal import MOA, environment, moa, until

BUSY = "thread 't' is running, here or in another process: wait until it ends, or use another"
ACTS: dict[str, Any] = {
    "ask": lambda threads: aask("again?", two_layers(), thread="t", threads=threads),
    "resume": lambda threads: aresume("t", threads),
    "retry": lambda threads: aretry("t", threads),
    "replay": lambda threads: areplay("t", threads, from_layer=1),
}


async def second(threads: Saver, provider: Provider, act: Any) -> tuple[str, str]:
    """What the first and the second run on one thread come to; the first waits for the second."""
    gate = Gate()
    provider.script("b", gate)
    asking = aask("why?", two_layers(), thread="t", threads=threads, watch=SilentObserver())
    first = asyncio.create_task(asking)
    while not in_flight(provider):
        await asyncio.sleep(0.01)
    with pytest.raises(UsageError) as caught:
        await act(threads)
    gate.opened.set()
    return (await first).answer, str(caught.value)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_second_run_on_a_thread_is_refused_and_no_turn_is_lost(
    provider: Provider, threads: Threads, act: Any
) -> None:
    answer, refused = asyncio.run(second(threads, provider, act))
    assert (answer, refused.startswith(BUSY)) == (ANSWER, True)
    assert len(provider.calls) == len(ALL)
    assert said(latest(threads, "t")) == ["why?", ANSWER]


def test_any_saver_refuses_it_too(provider: Provider) -> None:
    _, refused = asyncio.run(second(InMemorySaver(), provider, ACTS["ask"]))
    assert refused.startswith(BUSY)


def test_a_thread_is_free_again_however_its_run_ended(provider: Provider, threads: Threads) -> None:
    def refused_in_begin() -> None:
        ask(" ", two_layers(), thread="t", threads=threads)

    def refused_to_resume() -> None:
        resume("t", threads, Review(drop=["9"]))

    with pytest.raises(UsageError, match="empty"):
        refused_in_begin()
    assert ask("why?", two_layers(), thread="t", threads=threads, pause_after=[1]).next
    with pytest.raises(UsageError, match="the pause stays"):
        refused_to_resume()
    provider.script("d", Hang())

    async def cancelled() -> None:
        task = asyncio.create_task(aresume("t", threads))
        while not in_flight(provider):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    assert resume("t", threads).answer == ANSWER


def test_two_savers_of_one_process_know_of_each_other(provider: Provider, store: str) -> None:
    async def run() -> str:
        with open_threads() as one, open_threads() as other:
            return (await second(one, provider, lambda _: ACTS["ask"](other)))[1]

    assert asyncio.run(run()).startswith(BUSY)


def test_another_process_is_refused_and_what_was_running_ends_well(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    gate = Gate()
    provider.script("b", gate)
    recipe = recipe_file(tmp_path, provider.base_url)
    words = [MOA, "ask", "--recipe", recipe, "--thread", "t", "why?"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), text=True
    ) as first:
        until(lambda: in_flight(provider) == 1 and len(provider.calls) == 3)
        for command in (
            ["ask", "--recipe", recipe, "--thread", "t", "again?"],
            ["replay", "t"],
            ["resume", "t"],
        ):
            done = moa(*command)
            assert (done.code, done.out) == (2, "")
            assert done.lines[-1].startswith(f"moa: {BUSY}")
        gate.opened.set()
        assert first.communicate(timeout=30)[0] == ANSWER + "\n"
    assert len(provider.calls) == len(ALL)


@pytest.mark.parametrize("way", ["one loop", "many"])
def test_twenty_threads_at_once_in_one_process_lose_no_turn(
    provider: Provider, threads: Threads, way: str
) -> None:
    recipe, turns = mixture(["openai:a", "openai:b"]), 2

    async def conversation(number: int) -> None:
        for turn in range(turns):
            text = f"{number}, {turn}"
            came = await aask(text, recipe, thread=str(number), threads=threads)
            assert came.status == "done"

    async def together() -> None:
        await asyncio.gather(*map(conversation, range(20)))

    if way == "one loop":
        asyncio.run(together())
    else:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda number: asyncio.run(conversation(number)), range(20)))
    for number in range(20):
        texts = said(latest(threads, str(number)))
        assert texts[::2] == [f"{number}, {turn}" for turn in range(turns)]
        assert len(texts) == 2 * turns
    assert len(provider.calls) == 20 * turns * 3


WORKER = """
import asyncio, sys
from moagraph.graphs.recipe.load import load_recipe
from moagraph import aask
from moagraph.threads.open import open_threads

recipe, name = load_recipe(sys.argv[1]), sys.argv[2]

async def conversation(threads, number):
    for turn in range(3):
        thread = f"{name}.{number}"
        came = await aask(f"{thread}, {turn}", recipe, thread=thread, threads=threads)
        assert came.status == "done", came.error

async def main(threads):
    await asyncio.gather(*(conversation(threads, number) for number in range(4)))

print("ready", flush=True)
sys.stdin.readline()
with open_threads() as threads:
    asyncio.run(main(threads))
"""


def test_four_processes_on_one_database_lose_no_turn(
    provider: Provider, store: str, tmp_path: Path
) -> None:
    """They open a database that is not there yet all at once, and then write side by side."""
    recipe = recipe_file(tmp_path, provider.base_url)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, recipe, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    told = [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers]
    assert told == [("", 0)] * 4
    with open_threads() as threads:
        for name in (f"{worker}.{number}" for worker in range(4) for number in range(4)):
            assert said(latest(threads, name))[::2] == [f"{name}, {turn}" for turn in range(3)]
    assert len(provider.calls) == 4 * 4 * 3 * len(ALL)
