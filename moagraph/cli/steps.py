"""`moa steps`: every kind of step, and the package that it comes from."""

import json
from typing import Any

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import ExtensionError
from moagraph.nodes.extensions import Extension
from moagraph.nodes.texts.printable import one_line


def steps(as_json: JsonOption = False) -> None:
    """List every kind of step, and the package that it comes from."""
    from moagraph.nodes.step_support.registry import STEP_TYPES

    rows = [_row(extension) for extension in STEP_TYPES.all()]
    if as_json:
        out(json.dumps(rows))
        return
    width = max(len(row["step"]) for row in rows)
    packages = max(len(row["package"]) for row in rows)
    for row in rows:
        if row["error"]:
            say(f"moa: {row['error']}")
        else:
            out(one_line(f"{row['step']:<{width}}  {row['package']:<{packages}}  {row['about']}"))


def _row(extension: Extension) -> dict[str, Any]:
    """Describe a step; one that cannot be used has an `error` instead."""
    from moagraph.nodes.step_support.registry import step_class

    row = {"step": extension.name, "package": extension.package, "target": extension.target}
    try:
        about = (step_class(extension.name).__doc__ or "").strip().splitlines()
    except ExtensionError as error:
        return {**row, "about": None, "positions": [], "error": str(error)}
    positions = list(step_class(extension.name).positions)
    return {**row, "about": about[0] if about else "", "positions": positions, "error": None}
