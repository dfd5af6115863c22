"""`moa eval`: its sub-commands; each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]

FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Where an evaluation keeps its results.")
]

evals = typer.Typer(help="Find out whether a recipe helps, by how much, and at what cost.")


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
def export(
    folder: FolderArgument,
    form: Annotated[str, typer.Option("--format", help="alpaca, or mt-bench.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.")
    ],
) -> None:
    """Write a run's answers and verdicts as other tools read them."""
    from moagraph.cli.eval_export import export as command

    command(folder, form, output)
