"""`moa eval study`: reproduce a study of the papers, on recorded answers or on a run."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from moagraph.cli.eval.options import require
from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out
from moagraph.nodes.errors import UsageError

PLAN = ("--models", "--aggregator", "--out")
# The options that each study takes together: it runs in one of these ways.
WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "spearman": (("--data", "--target"), ("--run", "--target")),
    "choosers": (("--data",), ("--run",), PLAN),
    "diversity": (("--run",),),
    **{name: (PLAN, ("--run",)) for name in ("proposers", "roles", "depths")},
}


@dataclass(frozen=True)
class StudyOptions:
    """The options of `moa eval study`."""

    data: Path | None = None
    targets: Sequence[str] = ()
    models: str = ""
    aggregator: str = ""
    output: Path | None = None
    run: Path | None = None

    @property
    def names(self) -> list[str]:
        """Those that are set."""
        values = {
            "--data": self.data, "--target": self.targets, "--models": self.models,
            "--aggregator": self.aggregator, "--out": self.output, "--run": self.run,
        }  # fmt: skip
        return [option for option, value in values.items() if value]


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
    options = StudyOptions(data, target, models, aggregator, output, run)
    _check(name, options)
    require("numpy", "sacrebleu", "rapidfuzz")
    from moagraph.cli.eval.study_tables import build_table

    table = build_table(name, options)
    if as_json:
        rows = [{key: _json_value(value) for key, value in row.items()} for row in table.rows]
        out(json.dumps(rows, ensure_ascii=False))
    else:
        out("\n".join(table.lines))


def _check(name: str, options: StudyOptions) -> None:
    """Refuse an option that the study would ignore."""
    if name not in WAYS:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(WAYS)}")
    if not any(set(options.names) <= set(way) for way in WAYS[name]):
        ways = ", or ".join(" ".join(way) for way in WAYS[name])
        raise UsageError(f"`moa eval study {name}` takes {ways}: not {' '.join(options.names)}")


def _json_value(value: Any) -> Any:
    """The value, or None for a NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value
