"""Small SQLite files in the data folder that processes share: the cache, the latencies."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.data_dir import data_folder, try_lock


@contextmanager
def table(name: str, schema: str) -> Iterator[sqlite3.Connection]:
    """Run one transaction on a file; a new one is readable for this user only.

    Args:
        name: The file's name without suffix.
        schema: The statement that creates its table.
    """
    file = data_folder() / f"{name}.sqlite"
    try:
        with closing(_connect(file, schema)) as connection, connection:
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"cannot use {str(file)!r}: {error}; move it away, or set MOA_HOME to another folder"
        ) from error


def _connect(file: Path, schema: str) -> sqlite3.Connection:
    if not file.exists():
        _create(file, schema)
    connection = sqlite3.connect(file, timeout=10)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _create(file: Path, schema: str) -> None:
    """Create the file, one process at a time: setting the journal mode does not wait for locks."""
    new = file.with_suffix(".new")
    with file.with_suffix(".setup").open("ab") as lock:
        while not try_lock(lock):
            time.sleep(0.01)
        if file.exists():
            return
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        with closing(sqlite3.connect(new)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(schema)
        new.rename(file)  # so that no process sees it unfinished
