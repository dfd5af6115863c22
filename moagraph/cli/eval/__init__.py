"""`moa eval`: its sub-commands; each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from moagraph.cli.runs import eval_judge, eval_run

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]

FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Where an evaluation keeps its results.")
]

evals = typer.Typer(
    help="Find out whether a recipe helps, by how much, and at what cost.", no_args_is_help=True
)
evals.command("run")(eval_run)
evals.command("judge")(eval_judge)


@evals.command()
def score(
    file: Annotated[
        Path, typer.Argument(metavar="ANNOTATIONS", help="alpaca_eval's annotations.json.")
    ],
    constants: Annotated[
        str | None,
        typer.Option(
            "--constants", metavar="FILE|hub", help="What the LC win rate is fitted with."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Which, where there are several.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="Default: the constants'.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Also how much more it wins than this one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the win rates of stored judgements, with intervals."""
    from moagraph.cli.eval_score import score as command

    command(file, constants, model, baseline, against, as_json)


@evals.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER [FOLDER]", help="A run, or two to compare.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Default: beside the first's results."),
    ] = None,
    constants: Annotated[
        str | None,
        typer.Option("--constants", metavar="FILE|hub", help="Also win rates at equal length."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run, or two beside each other, as a page with plots."""
    from moagraph.cli.eval_report import report as command

    command(folders, output, constants, as_json)


@evals.command()
def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="spearman, choosers, diversity, proposers, roles or depths."
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Recorded answers: spearman, choosers."),
    ] = None,
    target: Annotated[
        list[str], typer.Option("--target", metavar="SYSTEM", help="Compared by spearman.")
    ] = [],  # noqa: B006 (typer copies it)
    models: Annotated[
        str, typer.Option("--models", metavar="A,B,C", help="The proposers, the best one first.")
    ] = "",
    aggregator: Annotated[
        str, typer.Option("--aggregator", metavar="MODEL", help="Default: the first proposer.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Write the recipes to run there."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="FOLDER", help="What was run: tabulate it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one of the papers' studies again, on recorded answers or on a run."""
    from moagraph.cli.eval_study import Asked
    from moagraph.cli.eval_study import study as command

    command(name, Asked(data, target, models, aggregator, output, run), as_json)


@evals.command()
def export(
    folder: FolderArgument,
    form: Annotated[str, typer.Option("--format", help="alpaca, or mt-bench.")],
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files go.")
    ],
) -> None:
    """Write a run's answers and verdicts as other tools read them."""
    from moagraph.cli.eval_export import export as command

    command(folder, form, output)
