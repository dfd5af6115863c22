"""Many runs against a provider of which one call in ten goes wrong: `python -m bench.soak`.

Counts runs whose answer is not made of exactly what their record says (wrong), that never end
(hung), or that fail and cannot be brought to an answer by `retry` (stuck), and watches memory and
sockets, which must not grow with the runs.
"""

import argparse
import asyncio
import gc
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver

from bench.flaky import Flaky
from moagraph.api.ask import aask
from moagraph.api.resume import aretry
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.result import Result
from tests.faults import (
    ContentFilter,
    Cut,
    Drip,
    Empty,
    Fault,
    Garbage,
    Hang,
    MidStreamError,
    NullContent,
    Reset,
    Slow,
    Status,
    Surrogate,
    TruncatedBody,
    WrongModel,
)
from tests.provider import Call

RATE = 0.1
AT_ONCE = 12
PATIENCE = 60.0  # seconds after which a run counts as hung
RETRIES = 20
HALF = " ?"  # what is left of half an emoji, wherever one was put
FAULTS = (
    Status(500), Status(503), Status(429, 0.05), Status(400), Status(401), Hang(), Slow(3),
    Drip(0.3), Empty(), NullContent(), ContentFilter(), Garbage(), MidStreamError(), Cut(),
    TruncatedBody(), Reset(), Surrogate(), WrongModel("another"),
)  # fmt: skip


@dataclass(frozen=True)
class Sight:
    """What the process held after so many runs."""

    runs: int
    megabytes: float
    sockets: int
    served: int
    tasks: int


@dataclass
class Soaked:
    """What all runs came to."""

    runs: int = 0
    failed: int = 0
    retries: int = 0
    calls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)


def recipe(base_url: str) -> Recipe:
    """Three seats of which two must answer, a straggler's rule, and the aggregator."""
    defaults = {"base_url": base_url, "timeout": 2, "attempts": 2}
    layer = {
        "proposers": ["vllm:a", "vllm:b", "vllm:c"],
        "quorum": 2,
        "grace": 0.5,
        "aggregate": {"step": "synthesize", "model": "vllm:agg"},
    }
    return Recipe.model_validate({"name": "soak", "defaults": defaults, "layers": [layer]})


def reply(call: Call) -> str:
    """Who answers whom; the aggregator repeats which answers it was given."""
    question = call.messages[-1]["content"]
    if call.model != "agg":
        return f"<{call.model} on {question}>"
    return "\n".join(re.findall(r"^\d+\. (.*)$", call.messages[0]["content"], re.MULTILINE))


def expected(result: Result) -> str:
    """The answer that the record says must have come of the run."""
    proposals = [p for layer in result.layers for p in layer["proposals"] if p["ok"]]
    return "\n".join(proposal["text"] for proposal in proposals)


def blame(result: Result, question: str) -> str | None:
    """What is wrong with a run that says it is done."""
    texts = [p["text"] for layer in result.layers for p in layer["proposals"] if p["ok"]]
    if any(f"on {question}>" not in text for text in texts):
        return f"{question}: an answer to something else: {texts}"
    if result.answer.replace(HALF, "") != expected(result).replace(HALF, ""):
        return f"{question}: {result.answer!r} is not of {texts}"
    return None


async def soak(provider: Flaky, runs: int) -> Soaked:
    """All runs, several at once, in four parts, looking at the process behind each."""
    came, numbers = Soaked(), iter(range(runs))
    for part in range(1, 5):
        end = runs * part // 4
        await asyncio.gather(*(_worker(provider, came, numbers, end) for _ in range(AT_ONCE)))
        came.calls += len(provider.calls)
        provider.calls.clear()
        came.sights.append(_look(provider, came.runs))
    return came


async def _worker(provider: Flaky, came: Soaked, numbers: Iterator[int], end: int) -> None:
    while came.runs < end:
        came.runs += 1
        question = f"question {next(numbers)}"
        try:
            async with asyncio.timeout(PATIENCE):
                await _one(provider, came, question)
        except TimeoutError:
            came.hung.append(question)


async def _one(provider: Flaky, came: Soaked, question: str) -> None:
    """One run, and as many retries as it takes."""
    saver = InMemorySaver()
    result = await aask(question, recipe(provider.base_url), thread=question, threads=saver)
    came.failed += result.status == "failed"
    for _ in range(RETRIES):
        came.kinds.update(p["kind"] for layer in result.layers for p in layer["proposals"])
        if result.status != "failed":
            break
        if result.answer:
            came.wrong.append(f"{question}: a failed run answers {result.answer!r}")
        came.retries += 1
        result = await aretry(question, saver)
    if result.status != "done":
        came.stuck.append(f"{question}: {result.status}: {result.error}")
    elif wrong := blame(result, question):
        came.wrong.append(wrong)


def _look(provider: Flaky, runs: int) -> Sight:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sight(
        runs,
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        sum(link.startswith("socket:") for link in _open_files()),
        provider.open_connections,
        len(asyncio.all_tasks()),
    )


def _open_files() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            yield os.readlink(f"/proc/self/fd/{number}")


def soaked(runs: int, seed: int = 1) -> Soaked:
    """Start the provider and soak it."""
    dice = random.Random(seed)

    def choose(model: str) -> Fault:
        return dice.choice(FAULTS) if dice.random() < RATE else Fault()

    with Flaky(choose) as provider:
        for model in ("a", "b", "c", "agg"):
            provider.reply(model, reply)
        return asyncio.run(soak(provider, runs))


def rows(came: Soaked) -> Iterator[str]:
    """The tables."""
    yield (
        f"{came.runs} runs, {came.calls} calls, {RATE:.0%} of them faulty in {len(FAULTS)} ways: "
        f"{len(came.wrong)} wrong, {len(came.hung)} hung, {came.failed} failed, of which "
        f"{len(came.stuck)} could not be brought to an answer by {came.retries} retries"
    )
    yield ""
    yield "| what a seat came to | times |"
    yield "|---|---|"
    yield from (f"| {kind} | {times} |" for kind, times in came.kinds.most_common())
    yield ""
    yield "| after runs | memory MB | sockets | connections at the provider | tasks |"
    yield "|---|---|---|---|---|"
    for at in came.sights:
        yield f"| {at.runs} | {at.megabytes:.1f} | {at.sockets} | {at.served} | {at.tasks} |"
    yield from (f"\n{told}" for told in (*came.wrong, *came.hung, *came.stuck)[:20])


def main() -> None:
    """Print the tables; end with 1 where a run was wrong, hung or stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    came = soaked(said.runs, said.seed)
    for row in rows(came):
        print(row)
    raise SystemExit(bool(came.wrong or came.hung or came.stuck))


if __name__ == "__main__":
    main()
