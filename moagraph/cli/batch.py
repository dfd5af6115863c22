"""`moa batch IN OUT`: a file of questions through one recipe, one line for each answer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.options import ConcurrencyOption, CostOption, KeepOption, LimitOption
from moagraph.cli.render.output import say
from moagraph.nodes.errors import UsageError

if TYPE_CHECKING:
    from moagraph.evals.dataset import DataSet


def batch(
    questions: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="JSON lines, or one question a line; `-` is standard input."
        ),
    ],
    answers: Annotated[str, typer.Argument(metavar="OUT", help="JSON lines; what is there stays.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", "-r", metavar="NAME|FILE|MODEL", help="Default: the best there is."
        ),
    ] = None,
    limit: LimitOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    keep_threads: KeepOption = False,
) -> None:
    """Answer a file of questions, or go on with one."""
    from functools import partial

    from moagraph.cli.eval.evaluation import run_with_progress
    from moagraph.cli.eval.progress import EvalProgress
    from moagraph.cli.render.rows import counted
    from moagraph.cli.running.live_run import pick_recipe
    from moagraph.cli.running.preflight import prepare_all
    from moagraph.evals.run.batch import batch as answer_all
    from moagraph.evals.run.evaluation import RunOptions

    if answers == "-":
        raise UsageError("'-' is no file: name one for the answers: the next run goes on with it")
    data = _open_questions(questions, answers, limit)
    name, progress = pick_recipe(recipe), EvalProgress()
    file = Path(answers).expanduser()
    settings = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        keep_threads=keep_threads,
        progress=progress,
        preflight=partial(prepare_all, concurrency=concurrency),
    )
    done = run_with_progress(lambda: answer_all(data, name, file, settings), progress)
    total = sum(len(item.turns) for item in data.items)
    say(f"moa: {done} of {counted(total, 'answer')} in {answers}")
    if done < total:
        say(f"moa: {counted(total - done, 'answer')} missing; the same command asks again")
        sys.exit(1)


def _open_questions(questions: str, answers: str, limit: int | None) -> "DataSet":
    from moagraph.evals.sets.open import open_set

    if questions == "-":
        return _read_stdin(limit)
    data, file = open_set(questions, limit), Path(answers).expanduser()
    if file.exists() and file.samefile(data.source):
        raise UsageError(f"{answers!r} holds the questions: name another file for the answers")
    return data


def _read_stdin(limit: int | None) -> "DataSet":
    """The questions on standard input, in any form that a file may have."""
    from tempfile import TemporaryDirectory

    from moagraph.evals.sets.open import open_set

    with TemporaryDirectory() as folder:
        file = Path(folder) / "stdin"
        file.write_bytes(sys.stdin.buffer.read())
        return open_set(str(file), limit)
