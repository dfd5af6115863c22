"""`moa eval run` and `moa eval judge`."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

from moagraph.cli.batch_preflight import stock
from moagraph.cli.render.output import out, say
from moagraph.cli.render.progress import Progress
from moagraph.cli.render.rows import counted
from moagraph.evals.flops import parse_active_parameters
from moagraph.evals.folder import RUN, read_run
from moagraph.evals.run.evaluation import Outcome, RunOptions, evaluate, judge_again
from moagraph.evals.run.spending_limit import SpendingLimitReached
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.recorded import VARIABLE
from moagraph.nodes.texts.printable import one_line

T = TypeVar("T")


def run(
    data: str,
    systems: Sequence[str],
    judges: Sequence[str],
    baseline: str | None,
    folder: str,
    limit: int | None,
    concurrency: int,
    max_cost_usd: float | None,
    recorded: str | None,
    temperature: float | None,
    max_tokens: int | None,
    judge_max_tokens: int | None,
    active_parameters: Sequence[str],
    keep_threads: bool,
    as_json: bool,
) -> None:
    """Have systems answer a data set, and judges judge what they said."""
    found = open_set(data)
    asked = found.first(limit)
    smoke = limit if len(asked.items) < len(found.items) else None
    _set_recorded(recorded, [*systems, *([baseline] if baseline else [])], found.source)
    if smoke is not None:
        say(f"moa: a smoke run, {smoke} of {len(found.items)} rows: its numbers mean nothing")
    progress = Progress()
    how = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        keep_threads=keep_threads,
        temperature=temperature,
        max_tokens=max_tokens,
        judge_max_tokens=judge_max_tokens,
        parameters=parse_active_parameters(active_parameters),
        progress=progress,
        preflight=partial(stock, at_once=concurrency),
    )
    path = Path(folder).expanduser()
    came = watched(lambda: evaluate(path, asked, systems, judges, baseline, smoke, how), progress)
    conclude(came, folder, as_json)


def judge(
    folder: str,
    judges: Sequence[str],
    baseline: str | None,
    concurrency: int,
    max_cost_usd: float | None,
    judge_max_tokens: int | None,
    as_json: bool,
) -> None:
    """Judge the answers that a folder holds."""
    path = Path(folder).expanduser()
    said = read_run(path)
    if not said:
        raise UsageError(f"{folder!r} holds no evaluation: `moa eval run` makes one")
    if not isinstance(said.get("data"), str):
        raise UsageError(
            f"{str(path / RUN)!r} does not say its `data`: `moa eval run` with the same data "
            "and --out writes it anew"
        )
    data = open_set(said["data"], said.get("limit"))
    progress = Progress()
    how = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        judge_max_tokens=judge_max_tokens,
        progress=progress,
        preflight=partial(stock, at_once=concurrency),
    )
    compared = baseline or said.get("baseline")
    came = watched(lambda: judge_again(path, data, judges, compared, how), progress)
    conclude(came, folder, as_json)


def watched(run: Callable[[], Awaitable[T]], progress: Progress) -> T:
    """Run under a progress line; whatever ends it, the same command goes on from there."""

    async def ran() -> T:
        return await run()

    again = "all that was answered is kept, and the same command goes on from here"
    try:
        return asyncio.run(ran())
    except KeyboardInterrupt:
        progress.end()
        say(f"moa: stopped; {again}")
        raise
    except SpendingLimitReached as error:
        progress.end()
        raise SpendingLimitReached(f"{error}; {again} with a higher --max-cost-usd") from error
    finally:
        progress.end()


def conclude(came: Outcome, folder: str, as_json: bool) -> None:
    """Say what there is and what is not, and exit as it ended."""
    if as_json:
        out(json.dumps({"folder": folder, **asdict(came)}, ensure_ascii=False))
    verdicts = counted(came.verdicts, "verdict")
    say(f"moa: {came.done} of {counted(came.wanted, 'answer')} and {verdicts} in {folder}")
    if came.unparsed:
        first = f"; the first: {one_line(came.raised)}" if came.raised else ""
        unread = counted(came.unparsed, "verdict")
        say(f"moa: {unread} could not be read, kept as such{first}")
    for why, number in came.unjudged.items():
        are = "is" if number == 1 else "are"
        say(f"moa: {counted(number, 'answer')} {are} not judged by {why}")
    if not came.whole:
        answers = counted(came.wanted - came.done, "answer")
        left = f"{answers} and {counted(came.verdicts_failed, 'verdict')}"
        say(f"moa: {left} are missing; the same command asks for them again")
        sys.exit(1)


def _set_recorded(file: str | None, names: Sequence[str], data: str) -> None:
    """Where `recorded:` models look: as said, else in the data set itself."""
    if file:
        os.environ[VARIABLE] = file
    elif not os.environ.get(VARIABLE) and any(name.startswith("recorded:") for name in names):
        os.environ[VARIABLE] = data
