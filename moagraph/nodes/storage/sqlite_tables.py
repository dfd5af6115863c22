"""Small SQLite files in the data folder that several processes share: the cache, the paces."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.data_dir import data_folder, taken


@contextmanager
def table(name: str, schema: str) -> Iterator[sqlite3.Connection]:
    """One transaction on the file of that name, which is made for this user only."""
    file = data_folder() / f"{name}.sqlite"
    try:
        with closing(_opened(file, schema)) as connection, connection:
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"cannot use {str(file)!r}: {error}; move it away, or set MOA_HOME to another folder"
        ) from error


def _opened(file: Path, schema: str) -> sqlite3.Connection:
    if not file.exists():
        _make(file, schema)
    connection = sqlite3.connect(file, timeout=10)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _make(file: Path, schema: str) -> None:
    """One process at a time: to change the journal's mode waits for nobody."""
    new = file.with_suffix(".new")
    with file.with_suffix(".setup").open("ab") as lock:
        while not taken(lock):
            time.sleep(0.01)
        if file.exists():
            return
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        with closing(sqlite3.connect(new)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(schema)
        new.rename(file)  # whoever sees it can use it
