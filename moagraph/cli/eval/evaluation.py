"""What `moa batch`, `moa eval run` and `moa eval judge` share: the run, and how it ended."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

from moagraph.cli.eval.progress import EvalProgress
from moagraph.cli.render.output import out, say
from moagraph.cli.render.rows import counted
from moagraph.evals.run.evaluation import Outcome
from moagraph.evals.run.spending_limit import SpendingLimitReached
from moagraph.nodes.texts.printable import one_line

T = TypeVar("T")
RESUMABLE = "all that was answered is kept, and the same command goes on from here"


def run_with_progress(run: Callable[[], Awaitable[T]], progress: EvalProgress) -> T:
    """Run under a progress line; if it is stopped, say that the same command continues it."""

    async def start() -> T:
        return await run()

    try:
        return asyncio.run(start())
    except KeyboardInterrupt:
        progress.end()
        say(f"moa: stopped; {RESUMABLE}")
        raise
    except SpendingLimitReached as error:
        progress.end()
        raise SpendingLimitReached(f"{error}; {RESUMABLE} with a higher --max-cost-usd") from error
    finally:
        progress.end()


def report_outcome(outcome: Outcome, folder: str, as_json: bool) -> None:
    """Print what the folder holds and what is missing; exit with 1 if anything is."""
    if as_json:
        out(json.dumps({"folder": folder, **asdict(outcome)}, ensure_ascii=False))
    answers, verdicts = counted(outcome.wanted, "answer"), counted(outcome.verdicts, "verdict")
    say(f"moa: {outcome.done} of {answers} and {verdicts} in {folder}")
    if outcome.unparsed:
        first = f"; the first: {one_line(outcome.raised)}" if outcome.raised else ""
        unparsed = counted(outcome.unparsed, "verdict")
        say(f"moa: {unparsed} could not be read, kept as such{first}")
    for reason, number in outcome.unjudged.items():
        verb = "is" if number == 1 else "are"
        say(f"moa: {counted(number, 'answer')} {verb} not judged by {reason}")
    if not outcome.whole:
        answers = counted(outcome.wanted - outcome.done, "answer")
        missing = f"{answers} and {counted(outcome.verdicts_failed, 'verdict')}"
        say(f"moa: {missing} are missing; the same command asks for them again")
        sys.exit(1)
