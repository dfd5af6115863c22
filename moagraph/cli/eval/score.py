"""`moa eval score`: the win rates of stored judgements."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.eval.options import load_constants, require
from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import UsageError
from moagraph.nodes.texts.printable import one_line

if TYPE_CHECKING:
    from moagraph.evals.length_control.pairs import Pairs


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
    require("numpy")
    from moagraph.cli.eval import score_text
    from moagraph.evals.length_control.score import compare_pairs, score_pairs

    fitted = load_constants(constants)
    expected = fitted.baseline if fitted else None
    pairs = _read_pairs(file, expected, model, baseline)
    result = score_pairs(pairs, fitted)
    notes, gap = list(result.notes), None
    if against:
        other_pairs = _read_pairs(against, expected, None, baseline)
        notes += score_text.mismatch_notes(pairs, other_pairs, str(against))
        gap = compare_pairs(pairs, other_pairs, fitted)
    for note in notes:
        say(f"moa: {one_line(note)}")
    if not as_json:
        gap_lines = score_text.difference_lines(gap) if gap else ()
        out("\n".join([*score_text.score_lines(result), *gap_lines]))
        return
    if result.lc is None:
        say(f"moa: no LC win rate: {one_line(score_text.no_lc_reason(result))}")
    extra = {"difference": gap.as_json()} if gap else {}
    out(json.dumps(result.as_json() | extra))


def _read_pairs(
    file: Path, expected: str | None, model: str | None, baseline: str | None
) -> "Pairs":
    from moagraph.evals.json_files import read_rows
    from moagraph.evals.length_control.pairs import parse_pairs

    try:
        return parse_pairs(read_rows(file, "annotations"), expected, model, baseline)
    except UsageError as error:
        message = str(error)
        raise UsageError(message if str(file) in message else f"{file}: {message}") from error
