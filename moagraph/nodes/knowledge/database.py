"""Read-only databases: SQLite files, and in-memory databases built from .sql and .csv files."""

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
from moagraph.nodes.knowledge.query import QueryLimits, QueryRefused, run
from moagraph.nodes.knowledge.sources import read_text

MAGIC = b"SQLite format 3\0"
MAX_BYTES = 50_000_000  # bytes of a .sql or .csv file
BUILD_SECONDS = 30.0  # time limit for building an in-memory database
MAX_EXAMPLE = 80  # characters of an example value


@contextmanager
def open_database(files: Mapping[Path, str]) -> Iterator[sqlite3.Connection]:
    """Open one read-only connection to the content of the files.

    Args:
        files: Each file's path and its display name.
    """
    try:
        with closing(_connect(files)) as database:
            database.text_factory = lambda content: content.decode("utf-8", "replace")
            # `mode=ro` protects one file only: ATTACH could open another one for writing.
            database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            database.execute("PRAGMA query_only = ON")
            yield database
    except sqlite3.Error as error:
        raise UsageError(f"cannot read {', '.join(files.values())}: {error}") from error


def describe_tables(database: sqlite3.Connection, examples: int) -> list[tuple[str, str]]:
    """Return the name of each table and view, with its CREATE statement and example rows.

    Args:
        database: The connection to read.
        examples: The number of rows per table.
    """
    tables = database.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND sql IS NOT NULL "
        "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"
    ).fetchall()
    return [
        (name, "\n".join([sql + ";", *_examples(database, name, examples)])) for name, sql in tables
    ]


def format_value(value: Any, max_length: int = MAX_EXAMPLE) -> str:
    """Format a value on one line, shortened to `max_length` characters."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    text = " ".join(str(value).split())
    return text if len(text) <= max_length else f"{text[: max_length - 2]} …"


def _examples(database: sqlite3.Connection, table: str, count: int) -> Iterator[str]:
    if not count:
        return
    with suppress(QueryRefused):  # a view may call a forbidden function, or never end
        rows = run(
            database, f"SELECT * FROM {_quote(table)}", QueryLimits(rows=count, more=True)
        ).rows
        yield from ("-- " + " | ".join(map(format_value, row)) for row in rows)


def _connect(files: Mapping[Path, str]) -> sqlite3.Connection:
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
        raise UsageError(f"{name} is not an SQLite database, a .sql or a .csv file")
    try:
        text = read_text(file, MAX_BYTES)
    except UsageError as error:
        raise UsageError(f"{name} {error}") from error
    ends = time.monotonic() + BUILD_SECONDS
    database.set_authorizer(_authorize_build)
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


def _authorize_build(action: int, name: str | None, function: str | None, *_: Any) -> int:
    """Deny what opens other files: a script may only build tables in its own database."""
    if action == sqlite3.SQLITE_PRAGMA:
        # Dumps begin with PRAGMA statements; ignoring them lets an ordinary dump load.
        return sqlite3.SQLITE_IGNORE
    reaches = (
        action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH) or function == "load_extension"
    )
    return sqlite3.SQLITE_DENY if reaches else sqlite3.SQLITE_OK


def _fill(database: sqlite3.Connection, table: str, lines: Sequence[Sequence[str]]) -> None:
    rows = [line for line in lines[1:] if line]
    if not lines or not lines[0]:
        raise ValueError("its first line must name the columns")
    for number, row in enumerate(rows, 2):
        if len(row) != len(lines[0]):
            raise ValueError(f"row {number} has {len(row)} values for {len(lines[0])} columns")
    kinds = [_column_type([row[n] for row in rows]) for n in range(len(lines[0]))]
    columns = ", ".join(f"{_quote(n.strip())} {k}" for n, k in zip(lines[0], kinds, strict=True))
    database.execute(f"CREATE TABLE {_quote(table)} ({columns})")
    placeholders = ", ".join("?" * len(kinds))
    values = ([cell.strip() or None for cell in row] for row in rows)
    database.executemany(f"INSERT INTO {_quote(table)} VALUES ({placeholders})", values)


def _column_type(cells: Sequence[str]) -> str:
    """Return the SQL type that fits all cells; a number with a leading zero is an identifier."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if filled and all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", cell) for cell in filled):
        return "INTEGER"
    if filled and all(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", cell) for cell in filled):
        return "REAL"
    return "TEXT"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
