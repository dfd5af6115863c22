"""Run one untrusted SELECT on a database, read-only and within limits.

There are four independent guards: a check of the text (and of sqlglot's parse where it is
installed), SQLite's authorizer, a read-only connection, and limits on time, steps and rows.
"""

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

MAX_QUERY = 20_000  # characters of a query
MAX_VALUE_BYTES = 1_000_000  # bytes of one value
MAX_RESULT = 5_000_000  # characters in all rows together
STRIDE = 1_000  # steps of SQLite's virtual machine between two checks of the limits

_QUOTED = re.compile(
    r"'(?:[^']|'')*(?:'|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)|`[^`]*(?:`|\Z)|\[[^\]]*(?:\]|\Z)"
    r"|--[^\n]*|/\*.*?(?:\*/|\Z)",
    re.DOTALL,
)
_READS = {"select", "with", "values"}
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
# SQLite itself requests these actions when it first opens a virtual table, such as json_each.
_OPENING = {(sqlite3.SQLITE_UPDATE, "sqlite_master"), (sqlite3.SQLITE_PRAGMA, "data_version")}
_FORBIDDEN = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_ACTIONS = {
    getattr(sqlite3, f"SQLITE_{name}"): name.replace("_", " ")
    for name in (
        *("INSERT", "UPDATE", "DELETE", "ATTACH", "DETACH", "PRAGMA", "TRANSACTION", "SAVEPOINT"),
        *("CREATE_TABLE", "CREATE_TEMP_TABLE", "CREATE_INDEX", "CREATE_VIEW", "CREATE_TRIGGER"),
        *("DROP_TABLE", "DROP_INDEX", "DROP_VIEW", "DROP_TRIGGER", "ALTER_TABLE", "REINDEX"),
    )
}


class QueryRefused(ValueError):
    """The query was rejected or stopped; the message gives the reason."""


@dataclass(frozen=True)
class QueryLimits:
    """Limits for one query; with `more`, extra rows are dropped instead of refused."""

    seconds: float = 5.0
    steps: int = 50_000_000
    rows: int = 1_000
    more: bool = False


@dataclass(frozen=True)
class Rows:
    """The result of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run(
    database: sqlite3.Connection,
    query: str,
    limits: QueryLimits,
    values: Mapping[str, str] | None = None,
) -> Rows:
    """Run one SELECT.

    Args:
        database: The connection, which is read only.
        query: The text of the query.
        limits: What the query may use.
        values: Values for the query's named parameters.

    Raises:
        QueryRefused: The query is not one SELECT, fails, or exceeds a limit.
    """
    check(query)
    denied: list[str] = []
    with _guard(database, limits, denied):
        try:
            cursor = database.execute(query, values or {})
            columns = [column[0] for column in cursor.description or ()]
            return Rows(columns, list(_fetch(cursor, limits)))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise QueryRefused(denied[0] if denied else str(error)) from error


def check(query: str) -> None:
    """Raise QueryRefused unless the text is one SELECT."""
    if len(query) > MAX_QUERY:
        raise QueryRefused(f"it has {len(query):,} characters, and at most {MAX_QUERY:,} are run")
    stripped = bare(query)
    first = re.match(r"[\s(]*([A-Za-z]+)", stripped)
    if not first or first[1].lower() not in _READS:
        what = first[1].upper() if first else "no SQL"
        raise QueryRefused(f"{what}: only one SELECT is run")
    if ";" in stripped.rstrip("; \t\r\n"):
        raise QueryRefused("it is more than one statement: only one SELECT is run")
    _check_parsed(query)


def bare(query: str) -> str:
    """Remove strings, quoted names and comments from the query."""
    return _QUOTED.sub(" ", query)


def ordered(query: str) -> bool:
    """Return whether the outermost query has an ORDER BY."""
    stripped = bare(query)
    while (inner := re.sub(r"\([^()]*\)", " ", stripped)) != stripped:
        stripped = inner
    return bool(re.search(r"\border\s+by\b", stripped, re.IGNORECASE))


def _check_parsed(query: str) -> None:
    """Refuse what sqlglot parses as a write.

    A query that sqlglot cannot parse passes: SQLite's authorizer decides about it.
    """
    if not find_spec("sqlglot"):
        return
    import sqlglot
    from sqlglot import exp

    try:
        trees = [tree for tree in sqlglot.parse(query, read="sqlite") if tree]
    except (sqlglot.errors.SqlglotError, RecursionError):
        return
    writes = (exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Alter, exp.Command)
    for tree in trees:
        if write := tree.find(*writes, exp.Attach, exp.Detach, exp.Pragma):
            raise QueryRefused(f"{write.key.upper()}: only one SELECT is run")


@contextmanager
def _guard(database: sqlite3.Connection, limits: QueryLimits, denied: list[str]) -> Iterator[None]:
    """Allow only reads, within the limits; the reason for a stop is appended to `denied`.

    SQLite reports a bare "not authorized" or "interrupted", so the reason is collected here.
    """
    ends, looks = time.monotonic() + limits.seconds, limits.steps // STRIDE

    # sqlite3 drops what a callback raises, so the reason goes into `denied`.
    def authorize(action: int, name: str | None, detail: str | None, *_: Any) -> int:
        allowed = action in _ALLOWED and str(detail).lower() not in _FORBIDDEN
        if allowed or (action, name) in _OPENING:
            return sqlite3.SQLITE_OK
        what = detail if action in _ALLOWED else _ACTIONS.get(action, "it")
        denied.append(f"{what}: only reading is allowed")
        return sqlite3.SQLITE_DENY

    def look() -> int:
        nonlocal looks
        looks -= 1
        if time.monotonic() > ends:
            denied.append(f"stopped after {limits.seconds:g} s: it may never end")
        elif looks < 0:
            denied.append(f"stopped after {limits.steps:,} steps: it may never end")
        return len(denied)

    database.set_authorizer(authorize)
    database.set_progress_handler(look, STRIDE)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)
    try:
        yield
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)


def _fetch(cursor: sqlite3.Cursor, limits: QueryLimits) -> Iterator[tuple[Any, ...]]:
    size = 0
    for number, row in enumerate(cursor):
        if number >= limits.rows:
            if limits.more:
                return
            raise ValueError(f"it returns more than {limits.rows:,} rows")
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > MAX_RESULT:
            raise ValueError(f"it returns more than {MAX_RESULT:,} characters")
        yield row
