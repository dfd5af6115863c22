"""What several sub-commands of `moa eval` share: options, the extra, the constants."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.nodes.errors import MissingExtra

if TYPE_CHECKING:
    from moagraph.evals.length_control.constants import Constants

JudgeOption = Annotated[
    list[str],
    typer.Option(
        "--judge",
        metavar="HOW[:WHO]",
        help="grade, flask, pairwise or pairwise-logprobs:MODEL; exact; numeric; "
        "python:MODULE:FUNCTION; recorded:FILE.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="SYSTEM", help="What pairs are compared with."),
]
JudgeTokensOption = Annotated[
    int | None, typer.Option("--judge-max-tokens", metavar="N", min=1, help="For a verdict.")
]


def require(*modules: str) -> None:
    """Refuse with the command that installs the extra, unless all these modules are there."""
    if not all(map(find_spec, modules)):
        raise MissingExtra("`moa eval` needs `pip install 'moagraph[evals]'`")


def load_constants(source: str | None) -> "Constants | None":
    """The constants of the length-controlled win rate.

    Args:
        source: A file, `hub` to fetch them, or None for a score without them.
    """
    if source is None:
        return None
    if source == "hub":
        from moagraph.evals.length_control.hub import fetch_constants

        return fetch_constants()
    from moagraph.evals.length_control.constants import read_constants

    return read_constants(Path(source))
