"""The results that the papers and the leaderboard publish, with their sources."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def published_tables() -> dict[str, Any]:
    """Return every table by name: its `columns`, `rows`, and `source` keys.

    The entry `sources` explains the source keys.
    """
    text = files(__package__).joinpath("paper_facts.json").read_text("utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables


def table_source(name: str) -> str:
    """Return the citation of a table's numbers."""
    tables = published_tables()
    return "; ".join(tables["sources"][key] for key in tables[name]["source"])
