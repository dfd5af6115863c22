"""Databases that are only read: SQLite files, and those made in memory from .sql and .csv files."""

import csv
import io
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moagraph.nodes.errors import UsageError
from moagraph.nodes.knowledge.query import Limits, QueryRefused, run
from moagraph.nodes.knowledge.sources import read_text

MAGIC = b"SQLite format 3\0"
LARGEST = 50_000_000  # bytes of a .sql or .csv file
SECONDS = 30.0  # in which it is built
CELL = 80  # characters of a value that is shown as an example


@contextmanager
def opened(files: Mapping[Path, str]) -> Iterator[sqlite3.Connection]:
    """One connection to what the files hold, on which nothing can be written."""
    try:
        with closing(_connected(files)) as database:
            database.text_factory = lambda content: content.decode("utf-8", "replace")
            database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            database.execute("PRAGMA query_only = ON")
            yield database
    except sqlite3.Error as error:
        raise UsageError(f"cannot read {', '.join(files.values())}: {error}") from error


def described(database: sqlite3.Connection, examples: int) -> list[tuple[str, str]]:
    """Each table and view: its name, how it was made, and some of its rows."""
    made = database.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND sql IS NOT NULL "
        "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"
    ).fetchall()
    return [
        (name, "\n".join([sql + ";", *_examples(database, name, examples)])) for name, sql in made
    ]


def shown(value: Any, most: int = CELL) -> str:
    """A value on one line, as a person reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    said = " ".join(str(value).split())
    return said if len(said) <= most else f"{said[: most - 2]} …"


def _examples(database: sqlite3.Connection, table: str, most: int) -> Iterator[str]:
    if not most:
        return
    with suppress(QueryRefused):  # a view may hold what is not allowed, or never end
        rows = run(database, f"SELECT * FROM {_quoted(table)}", Limits(rows=most, more=True)).rows
        yield from ("-- " + " | ".join(map(shown, row)) for row in rows)


def _connected(files: Mapping[Path, str]) -> sqlite3.Connection:
    [first, *others] = files
    if _is_sqlite(first):
        if others:
            raise UsageError(f"`source` finds {len(files)} files: an SQLite database is read alone")
        path = quote(str(first.resolve()))
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    database = sqlite3.connect(":memory:", isolation_level=None)
    for file, name in files.items():
        _build(database, file, name)
    return database


def _is_sqlite(file: Path) -> bool:
    try:
        with file.open("rb") as content:
            return content.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise UsageError(f"cannot read {file.name}: {error.strerror}") from error


def _build(database: sqlite3.Connection, file: Path, name: str) -> None:
    if file.suffix.lower() not in (".sql", ".csv"):
        raise UsageError(f"{name} is no SQLite database, and neither .sql nor .csv")
    try:
        text = read_text(file, LARGEST)
    except UsageError as error:
        raise UsageError(f"{name} {error}") from error
    ends = time.monotonic() + SECONDS
    database.set_authorizer(_building)
    database.set_progress_handler(lambda: int(time.monotonic() > ends), 10_000)
    try:
        if file.suffix.lower() == ".sql":
            database.executescript(text)
        else:
            _fill(database, re.sub(r"\W+", "_", file.stem), list(csv.reader(io.StringIO(text))))
    except (sqlite3.Error, csv.Error, ValueError) as error:
        raise UsageError(f"cannot read {name}: {error}") from error
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)


def _building(action: int, name: str | None, other: str | None, *_: Any) -> int:
    """A script builds its own tables, and reaches for no other file."""
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_IGNORE
    reaches = action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH) or other == "load_extension"
    return sqlite3.SQLITE_DENY if reaches else sqlite3.SQLITE_OK


def _fill(database: sqlite3.Connection, table: str, lines: Sequence[Sequence[str]]) -> None:
    rows = [line for line in lines[1:] if line]
    if not lines or not lines[0]:
        raise ValueError("its first line must name the columns")
    for number, row in enumerate(rows, 2):
        if len(row) != len(lines[0]):
            raise ValueError(f"row {number} has {len(row)} values for {len(lines[0])} columns")
    kinds = [_kind([row[n] for row in rows]) for n in range(len(lines[0]))]
    columns = ", ".join(f"{_quoted(n.strip())} {k}" for n, k in zip(lines[0], kinds, strict=True))
    database.execute(f"CREATE TABLE {_quoted(table)} ({columns})")
    places = ", ".join("?" * len(kinds))
    told = ([cell.strip() or None for cell in row] for row in rows)
    database.executemany(f"INSERT INTO {_quoted(table)} VALUES ({places})", told)


def _kind(cells: Sequence[str]) -> str:
    """What all cells of a column are; a number with a leading zero is a name."""
    said = [cell.strip() for cell in cells if cell.strip()]
    if said and all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", cell) for cell in said):
        return "INTEGER"
    if said and all(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", cell) for cell in said):
        return "REAL"
    return "TEXT"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
