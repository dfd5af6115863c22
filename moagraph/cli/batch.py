"""`moa batch IN OUT`: a file of questions through one recipe, a line an answer."""

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from moagraph.cli.ask import pick
from moagraph.cli.batch_preflight import stock
from moagraph.cli.eval_run import watched
from moagraph.cli.render.output import say
from moagraph.cli.render.progress import Progress
from moagraph.cli.render.rows import counted
from moagraph.evals.dataset import DataSet
from moagraph.evals.run.batch import batch as answered
from moagraph.evals.run.evaluation import RunOptions
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import UsageError


def batch(
    given: str,
    out: str,
    recipe: str | None,
    limit: int | None,
    concurrency: int,
    max_cost_usd: float | None,
    keep_threads: bool,
) -> None:
    """Answer every question of a file that another file has no answer to yet."""
    if out == "-":
        raise UsageError("'-' is no file: name one for the answers: the next run goes on with it")
    file, read = Path(out).expanduser(), given == "-"
    data = _read(limit) if read else open_set(given, limit)
    if not read and file.exists() and file.samefile(data.source):
        raise UsageError(f"{out!r} holds the questions: name another file for the answers")
    name, progress = pick(recipe), Progress()
    how = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        keep_threads=keep_threads,
        progress=progress,
        preflight=partial(stock, at_once=concurrency),
    )
    done = watched(lambda: answered(data, name, file, how), progress)
    wanted = sum(len(item.turns) for item in data.items)
    say(f"moa: {done} of {counted(wanted, 'answer')} in {out}")
    if done < wanted:
        say(f"moa: {counted(wanted - done, 'answer')} missing; the same command asks again")
        sys.exit(1)


def _read(limit: int | None) -> DataSet:
    """The questions on standard input, in any form that a file has."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "stdin"
        file.write_bytes(sys.stdin.buffer.read())
        return open_set(str(file), limit)
