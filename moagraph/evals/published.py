"""What the papers and the leaderboard report, with their sources."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def facts() -> dict[str, Any]:
    """Every table by its name: `columns`, `rows`, and `source` by which `sources` explains it."""
    text = files(__package__).joinpath("paper_facts.json").read_text("utf-8")
    said: dict[str, Any] = json.loads(text)
    return said


def source(name: str) -> str:
    """Where a table's numbers are from."""
    known = facts()
    return "; ".join(known["sources"][key] for key in known[name]["source"])
