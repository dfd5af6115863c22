"""`moa eval judge`: judge the answers that a folder holds."""

from typing import Annotated

import typer

from moagraph.cli.eval.options import BaselineOption, JudgeOption, JudgeTokensOption
from moagraph.cli.options import ConcurrencyOption, CostOption, JsonOption
from moagraph.nodes.errors import UsageError


def judge(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Of an evaluation.")],
    judge: JudgeOption,
    baseline: BaselineOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    judge_max_tokens: JudgeTokensOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the answers that a folder holds; nobody is asked for answers."""
    from functools import partial
    from pathlib import Path

    from moagraph.cli.eval.evaluation import report_outcome, run_with_progress
    from moagraph.cli.eval.progress import EvalProgress
    from moagraph.cli.running.preflight import prepare_all
    from moagraph.evals.folder import RUN, read_run
    from moagraph.evals.run.evaluation import RunOptions, judge_again
    from moagraph.evals.sets.open import open_set

    path = Path(folder).expanduser()
    run = read_run(path)
    if not run:
        raise UsageError(f"{folder!r} holds no evaluation: `moa eval run` makes one")
    if not isinstance(run.get("data"), str):
        raise UsageError(
            f"{str(path / RUN)!r} does not say its `data`: `moa eval run` with the same data "
            "and --out writes it anew"
        )
    data = open_set(run["data"], run.get("limit"))
    progress = EvalProgress()
    settings = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        judge_max_tokens=judge_max_tokens,
        progress=progress,
        preflight=partial(prepare_all, concurrency=concurrency),
    )
    compared = baseline or run.get("baseline")
    outcome = run_with_progress(
        lambda: judge_again(path, data, judge, compared, settings), progress
    )
    report_outcome(outcome, folder, as_json)
