"""`moa eval run`: systems answer a data set, and judges judge the answers."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from moagraph.cli.eval.options import BaselineOption, JudgeOption, JudgeTokensOption
from moagraph.cli.options import (
    ConcurrencyOption,
    CostOption,
    JsonOption,
    KeepOption,
    LimitOption,
)
from moagraph.cli.render.output import say

DataOption = Annotated[
    str, typer.Option("--data", metavar="FILE|FOLDER", help="AlpacaEval, MT-Bench, FLASK, JSONL.")
]
SystemOption = Annotated[
    list[str], typer.Option("--system", metavar="RECIPE|MODEL", help="Once for each.")
]
OutOption = Annotated[str, typer.Option("--out", metavar="FOLDER", help="Where the results go.")]
RecordedOption = Annotated[
    str | None,
    typer.Option("--recorded", metavar="FILE", help="What `recorded:` models once said."),
]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature", min=0, max=2, help="Of single models.")
]
TokensOption = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", min=1, help="Of single models.")
]
ParametersOption = Annotated[
    list[str],
    typer.Option(
        "--active-parameters", metavar="MODEL=BILLIONS", help="Where the table lacks them."
    ),
]


def run(
    data: DataOption,
    system: SystemOption,
    folder: OutOption,
    judge: JudgeOption = [],  # noqa: B006 (typer copies it)
    baseline: BaselineOption = None,
    limit: LimitOption = None,
    concurrency: ConcurrencyOption = 8,
    max_cost_usd: CostOption = None,
    recorded: RecordedOption = None,
    temperature: TemperatureOption = None,
    max_tokens: TokensOption = None,
    judge_max_tokens: JudgeTokensOption = None,
    active_parameters: ParametersOption = [],  # noqa: B006
    keep_threads: KeepOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have systems answer a data set, and judges judge them; again, it goes on."""
    from functools import partial
    from pathlib import Path

    from moagraph.cli.eval.evaluation import report_outcome, run_with_progress
    from moagraph.cli.eval.progress import EvalProgress
    from moagraph.cli.running.preflight import prepare_all
    from moagraph.evals.flops import parse_active_parameters
    from moagraph.evals.run.evaluation import RunOptions, evaluate
    from moagraph.evals.sets.open import open_set

    whole = open_set(data)
    rows = whole.first(limit)
    smoke = limit if len(rows.items) < len(whole.items) else None
    _set_recorded(recorded, [*system, *([baseline] if baseline else [])], whole.source)
    if smoke is not None:
        say(f"moa: a smoke run, {smoke} of {len(whole.items)} rows: its numbers mean nothing")
    progress = EvalProgress()
    settings = RunOptions(
        concurrency=concurrency,
        max_cost_usd=max_cost_usd,
        keep_threads=keep_threads,
        temperature=temperature,
        max_tokens=max_tokens,
        judge_max_tokens=judge_max_tokens,
        parameters=parse_active_parameters(active_parameters),
        progress=progress,
        preflight=partial(prepare_all, concurrency=concurrency),
    )
    path = Path(folder).expanduser()
    outcome = run_with_progress(
        lambda: evaluate(path, rows, system, judge, baseline, smoke, settings), progress
    )
    report_outcome(outcome, folder, as_json)


def _set_recorded(file: str | None, systems: Sequence[str], data: str) -> None:
    """Set where `recorded:` models look: the file of `--recorded`, else the data set itself."""
    from moagraph.nodes.models.recorded import VARIABLE

    if file:
        os.environ[VARIABLE] = file
    elif not os.environ.get(VARIABLE) and any(name.startswith("recorded:") for name in systems):
        os.environ[VARIABLE] = data
