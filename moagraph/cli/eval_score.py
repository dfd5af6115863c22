"""`moa eval score`: what stored judgements say of a model."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import MissingExtra
from moagraph.nodes.texts.printable import one_line

if TYPE_CHECKING:
    from moagraph.evals.length_control.constants import Constants
    from moagraph.evals.length_control.pairs import Pairs
    from moagraph.evals.length_control.score import Rate, Score, ScoreDifference


def needed(*modules: str) -> None:
    """Say what to install where something is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra("`moa eval` needs `pip install 'moagraph[evals]'`")


def score(
    file: Path,
    constants: str | None,
    model: str | None,
    baseline: str | None,
    against: Path | None,
    as_json: bool,
) -> None:
    """Print the score; what had to be said of the rows goes to standard error."""
    needed("numpy")
    from moagraph.evals.length_control.score import compare_pairs
    from moagraph.evals.length_control.score import score_pairs as scored

    known = constants_of(constants)
    expected = known.baseline if known else None
    pairs = _pairs(file, expected, model, baseline)
    found = scored(pairs, known)
    other = _pairs(against, expected, None, baseline) if against else None
    for note in (*found.notes, *(_notes(pairs, other, f"{against}") if other else ())):
        say(f"moa: {one_line(note)}")
    gap = compare_pairs(pairs, other, known) if other else None
    if as_json:
        if found.lc is None:
            say(f"moa: no LC win rate: {one_line(_why(found))}")
        more = {"difference": gap.as_json()} if gap else {}
        out(json.dumps(found.as_json() | more))
        return
    out("\n".join([*_told(found), *(_told_gap(gap) if gap else ())]))


def _notes(pairs: "Pairs", other: "Pairs", file: str) -> Iterator[str]:
    """What has to be said of the other file's rows, and of how they differ from the first's."""
    for note in other.notes:
        yield f"{file}: {note}"
    if other.baseline != pairs.baseline:
        yield f"{file}: compared with {other.baseline!r}, not with {pairs.baseline!r}"
    if other.judges != pairs.judges:
        mine, yours = (", ".join(side.judges) or "nobody named" for side in (pairs, other))
        yield f"{file}: judged by {yours}, not by {mine}"


def _pairs(file: Path, expected: str | None, model: str | None, baseline: str | None) -> "Pairs":
    from moagraph.evals.json_files import read_rows
    from moagraph.evals.length_control.pairs import parse_pairs
    from moagraph.nodes.errors import UsageError

    try:
        return parse_pairs(read_rows(file, "annotations"), expected, model, baseline)
    except UsageError as error:
        told = str(error)
        raise UsageError(told if str(file) in told else f"{file}: {told}") from error


def constants_of(said: str | None) -> "Constants | None":
    """The constants in a file, or the hub's; none where none are named."""
    if said is None:
        return None
    if said == "hub":
        from moagraph.evals.length_control.hub import fetch_constants

        return fetch_constants()
    from moagraph.evals.length_control.constants import read_constants

    return read_constants(Path(said))


def _told(found: "Score") -> Iterator[str]:
    yield one_line(f"{found.model} against {found.baseline}, {found.n} instructions judged")
    yield f"win rate     {rate(found.win)}"
    if found.lc:
        yield f"LC win rate  {rate(found.lc)}"
    else:
        yield f"LC win rate  none: {one_line(found.why_not_lc)}"
    if found.adjusted:
        yield one_line(f"length-adjusted (not LC: {found.why_not_lc}) {rate(found.adjusted)}")


def _why(found: "Score") -> str:
    if found.adjusted is None:
        return found.why_not_lc
    return f"{found.why_not_lc}; length-adjusted it is {rate(found.adjusted)}"


def _told_gap(gap: "ScoreDifference") -> Iterator[str]:
    yield f"more than the other, on the {gap.n} instructions that both have"
    yield f"win rate     {rate(gap.win, '+')}"
    if gap.lc:
        yield f"LC win rate  {rate(gap.lc, '+')}"


def rate(said: "Rate", sign: str = "") -> str:
    """A rate with its interval."""
    told = f"{said.value:{sign}.2f}"
    if said.interval is None:
        return f"{told} (too few for an interval)"
    low, high = said.interval
    return f"{told} (95 % interval {low:{sign}.2f} to {high:{sign}.2f})"
