"""Threads in one SQLite file that several processes share."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite import SqliteSaver

from moagraph.keep.steady import Steady, busy
from nodes.errors import StorageError
from nodes.folder import taken

VERSION = 1


class SqliteThreads(Steady, SqliteSaver):
    """The engine's SQLite saver on one file."""

    failures: ClassVar[tuple[type[Exception], ...]] = (sqlite3.Error,)
    file: Path

    def passes(self, error: Exception) -> bool:
        """Nothing that SQLite says after its own waiting goes away by more of it."""
        return False

    def told(self, error: Exception) -> str:
        """Name the file and the remedy."""
        return _told(self.file, error)

    @contextmanager
    def held(self, thread_id: str) -> Iterator[None]:
        """A locked file a thread; the lock ends with the process."""
        folder = self.file.parent / "locks"
        folder.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(thread_id.encode()).hexdigest()[:32]
        with (folder / name).open("ab") as lock:
            if not taken(lock):
                raise busy(thread_id)
            yield


@contextmanager
def opened(file: Path, serde: SerializerProtocol) -> Iterator[SqliteThreads]:
    """The threads in that file, which is made where there is none, for this user only."""
    try:
        file.touch(mode=0o600)
        connection = sqlite3.connect(file, timeout=60, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(_told(file, error)) from error
    threads = SqliteThreads(connection, serde=serde)
    threads.file = file
    try:
        _set_up(threads)
        yield threads
    finally:
        connection.close()


def _set_up(threads: SqliteThreads) -> None:
    """One process at a time: to change the journal's mode waits for nobody."""
    try:
        with threads.file.with_suffix(".setup").open("ab") as lock:
            while not taken(lock):
                time.sleep(0.01)
            _check_version(threads)
            threads.setup()
            threads.conn.execute("PRAGMA synchronous=NORMAL")
            threads.conn.execute(f"PRAGMA user_version={VERSION}")
    except (OSError, sqlite3.Error) as error:
        raise StorageError(_told(threads.file, error)) from error


def _check_version(threads: SqliteThreads) -> None:
    [version] = threads.conn.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StorageError(
            f"{str(threads.file)!r} has version {version}, and this moagraph knows {VERSION}: "
            "update moagraph, or set MOA_HOME to another folder"
        )


def _told(file: Path, error: Exception) -> str:
    text = str(error)
    if "full" in text:
        remedy = "free some space"
    elif "not a database" in text or "malformed" in text:
        remedy = "it is damaged: move it away, or bring back a copy"
    else:
        remedy = "set MOA_HOME to a folder that can be written to"
    return f"cannot use {str(file)!r}: {text}; {remedy}"
