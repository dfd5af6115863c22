"""Many runs against a provider that fails one call in ten: `python -m bench.soak`.

Counts the runs whose answer differs from their record (wrong), that never end (hung), or that
fail and give no answer after `retry` (stuck). Also samples memory and sockets, which must not grow
with the number of runs.
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
HALF = " ?"  # the replacement for a lone surrogate
FAULTS = (
    Status(500), Status(503), Status(429, 0.05), Status(400), Status(401), Hang(), Slow(3),
    Drip(0.3), Empty(), NullContent(), ContentFilter(), Garbage(), MidStreamError(), Cut(),
    TruncatedBody(), Reset(), Surrogate(), WrongModel("another"),
)  # fmt: skip


@dataclass(frozen=True)
class ProcessSample:
    """The resources of the process after a number of runs."""

    runs: int
    megabytes: float
    sockets: int
    served: int
    tasks: int


@dataclass
class SoakOutcome:
    """The totals of all runs."""

    runs: int = 0
    failed: int = 0
    retries: int = 0
    calls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    samples: list[ProcessSample] = field(default_factory=list)


def recipe(base_url: str) -> Recipe:
    """Return a recipe of three seats with a quorum of two and a grace time, and an aggregator."""
    defaults = {"base_url": base_url, "timeout": 2, "attempts": 2}
    layer = {
        "proposers": ["vllm:a", "vllm:b", "vllm:c"],
        "quorum": 2,
        "grace": 0.5,
        "aggregate": {"step": "synthesize", "model": "vllm:agg"},
    }
    return Recipe.model_validate({"name": "soak", "defaults": defaults, "layers": [layer]})


def reply(call: Call) -> str:
    """Name the model and the question; the aggregator repeats the proposals that it received."""
    question = call.messages[-1]["content"]
    if call.model != "agg":
        return f"<{call.model} on {question}>"
    return "\n".join(re.findall(r"^\d+\. (.*)$", call.messages[0]["content"], re.MULTILINE))


def expected(result: Result) -> str:
    """Return the answer that follows from the run's record."""
    proposals = [p for layer in result.layers for p in layer["proposals"] if p["ok"]]
    return "\n".join(proposal["text"] for proposal in proposals)


def find_error(result: Result, question: str) -> str | None:
    """Return what is wrong with a run whose status is `done`."""
    texts = [p["text"] for layer in result.layers for p in layer["proposals"] if p["ok"]]
    if any(f"on {question}>" not in text for text in texts):
        return f"{question}: an answer to something else: {texts}"
    if result.answer.replace(HALF, "") != expected(result).replace(HALF, ""):
        return f"{question}: {result.answer!r} is not of {texts}"
    return None


async def soak(provider: Flaky, runs: int) -> SoakOutcome:
    """Run all, several at once; sample the process after each quarter."""
    outcome, numbers = SoakOutcome(), iter(range(runs))
    for part in range(1, 5):
        end = runs * part // 4
        await asyncio.gather(*(_worker(provider, outcome, numbers, end) for _ in range(AT_ONCE)))
        outcome.calls += len(provider.calls)
        provider.calls.clear()
        outcome.samples.append(_sample(provider, outcome.runs))
    return outcome


async def _worker(provider: Flaky, outcome: SoakOutcome, numbers: Iterator[int], end: int) -> None:
    while outcome.runs < end:
        outcome.runs += 1
        question = f"question {next(numbers)}"
        try:
            async with asyncio.timeout(PATIENCE):
                await _run(provider, outcome, question)
        except TimeoutError:
            outcome.hung.append(question)


async def _run(provider: Flaky, outcome: SoakOutcome, question: str) -> None:
    """Run once, and retry until there is an answer."""
    saver = InMemorySaver()
    result = await aask(question, recipe(provider.base_url), thread=question, threads=saver)
    outcome.failed += result.status == "failed"
    for _ in range(RETRIES):
        outcome.kinds.update(p["kind"] for layer in result.layers for p in layer["proposals"])
        if result.status != "failed":
            break
        if result.answer:
            outcome.wrong.append(f"{question}: a failed run answers {result.answer!r}")
        outcome.retries += 1
        result = await aretry(question, saver)
    if result.status != "done":
        outcome.stuck.append(f"{question}: {result.status}: {result.error}")
    elif wrong := find_error(result, question):
        outcome.wrong.append(wrong)


def _sample(provider: Flaky, runs: int) -> ProcessSample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return ProcessSample(
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


def run_soak(runs: int, seed: int = 1) -> SoakOutcome:
    """Start a provider and run against it."""
    generator = random.Random(seed)

    def choose(model: str) -> Fault:
        return generator.choice(FAULTS) if generator.random() < RATE else Fault()

    with Flaky(choose) as provider:
        for model in ("a", "b", "c", "agg"):
            provider.reply(model, reply)
        return asyncio.run(soak(provider, runs))


def rows(outcome: SoakOutcome) -> Iterator[str]:
    """Return the rows of the tables."""
    yield (
        f"{outcome.runs} runs, {outcome.calls} calls, {RATE:.0%} of them faulty in "
        f"{len(FAULTS)} ways: "
        f"{len(outcome.wrong)} wrong, {len(outcome.hung)} hung, {outcome.failed} failed, of which "
        f"{len(outcome.stuck)} could not be brought to an answer by {outcome.retries} retries"
    )
    yield ""
    yield "| outcome of a seat | times |"
    yield "|---|---|"
    yield from (f"| {kind} | {times} |" for kind, times in outcome.kinds.most_common())
    yield ""
    yield "| after runs | memory MB | sockets | connections at the provider | tasks |"
    yield "|---|---|---|---|---|"
    for at in outcome.samples:
        yield f"| {at.runs} | {at.megabytes:.1f} | {at.sockets} | {at.served} | {at.tasks} |"
    yield from (f"\n{message}" for message in (*outcome.wrong, *outcome.hung, *outcome.stuck)[:20])


def main() -> None:
    """Print the tables; end with 1 where a run was wrong, hung or stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = run_soak(options.runs, options.seed)
    for row in rows(outcome):
        print(row)
    raise SystemExit(bool(outcome.wrong or outcome.hung or outcome.stuck))


if __name__ == "__main__":
    main()
