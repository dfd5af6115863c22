"""Check that the SQL in an answer runs on a database, read-only."""

import sqlite3
from pathlib import Path
from typing import Any

from moagraph.nodes.checks.sandbox.guest.code_blocks import code_blocks
from moagraph.nodes.checks.sandbox.guest.text_check import UnusableCheck

_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def check(settings: dict[str, Any], answer: str) -> str | None:
    """Run it as one statement and count its rows."""
    file = Path(settings["source"])
    if not file.is_file():
        raise UnusableCheck(f"there is no database {str(file)!r}")
    statement = code_blocks(answer, "sql", "sqlite")[-1].strip()
    database = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2**24)
    database.set_authorizer(_authorize)
    try:
        rows = sum(1 for _ in database.execute(statement))
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return f"the SQL does not run: {error}"
    finally:
        database.close()
    return "the SQL finds nothing" if settings["rows"] and not rows else None


def _authorize(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY
