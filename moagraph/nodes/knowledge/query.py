"""One SELECT of a stranger on a database: guarded, read-only, and with an end.

Four guards stand one behind the other: the text (and sqlglot where it is installed), SQLite's
authorizer, a database that is only read, and limits of time, steps and rows.
"""

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

LONGEST = 20_000  # characters of a query
LARGEST = 1_000_000  # bytes of one value
WHOLE = 5_000_000  # characters of all rows
STRIDE = 1_000  # steps of SQLite's machine between two looks at the clock

_ASIDE = re.compile(
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
# What SQLite itself asks for where it first opens a virtual table, such as json_each.
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
    """The query is not run, or was stopped; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What one query may take; `more`: of more rows the first are taken."""

    seconds: float = 5.0
    steps: int = 50_000_000
    rows: int = 1_000
    more: bool = False


@dataclass(frozen=True)
class Rows:
    """What a query came to."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run(
    database: sqlite3.Connection,
    query: str,
    limits: Limits,
    values: Mapping[str, str] | None = None,
) -> Rows:
    """The rows of one SELECT, or QueryRefused."""
    check(query)
    denied: list[str] = []
    with _guarded(database, limits, denied):
        try:
            cursor = database.execute(query, values or {})
            columns = [one[0] for one in cursor.description or ()]
            return Rows(columns, list(_fetched(cursor, limits)))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise QueryRefused(denied[0] if denied else str(error)) from error


def check(query: str) -> None:
    """Refuse what is not one SELECT, as far as its text tells."""
    if len(query) > LONGEST:
        raise QueryRefused(f"it has {len(query):,} characters, and at most {LONGEST:,} are run")
    said = bare(query)
    first = re.match(r"[\s(]*([A-Za-z]+)", said)
    if not first or first[1].lower() not in _READS:
        what = first[1].upper() if first else "no SQL"
        raise QueryRefused(f"{what}: only one SELECT is run")
    if ";" in said.rstrip("; \t\r\n"):
        raise QueryRefused("it is more than one statement: only one SELECT is run")
    _parsed(query)


def bare(query: str) -> str:
    """The query without its strings, quoted names and comments."""
    return _ASIDE.sub(" ", query)


def ordered(query: str) -> bool:
    """Whether its rows have an order: an ORDER BY that is not of an inner query."""
    said = bare(query)
    while (inner := re.sub(r"\([^()]*\)", " ", said)) != said:
        said = inner
    return bool(re.search(r"\border\s+by\b", said, re.IGNORECASE))


def _parsed(query: str) -> None:
    """What sqlglot knows to be more than reading; what it cannot parse is left to SQLite."""
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
        if found := tree.find(*writes, exp.Attach, exp.Detach, exp.Pragma):
            raise QueryRefused(f"{found.key.upper()}: only one SELECT is run")


@contextmanager
def _guarded(database: sqlite3.Connection, limits: Limits, denied: list[str]) -> Iterator[None]:
    """Only reading, and not for ever; why it was stopped is put into `denied`."""
    ends, looks = time.monotonic() + limits.seconds, limits.steps // STRIDE

    def authorize(action: int, name: str | None, other: str | None, *_: Any) -> int:
        allowed = action in _ALLOWED and str(other).lower() not in _FORBIDDEN
        if allowed or (action, name) in _OPENING:
            return sqlite3.SQLITE_OK
        what = other if action in _ALLOWED else _ACTIONS.get(action, "it")
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
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    database.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)
    try:
        yield
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)


def _fetched(cursor: sqlite3.Cursor, limits: Limits) -> Iterator[tuple[Any, ...]]:
    size = 0
    for number, row in enumerate(cursor):
        if number >= limits.rows:
            if limits.more:
                return
            raise ValueError(f"it returns more than {limits.rows:,} rows")
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > WHOLE:
            raise ValueError(f"it returns more than {WHOLE:,} characters")
        yield row
