"""Threads in one SQLite file that several processes share."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite import SqliteSaver

from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.data_dir import try_lock
from moagraph.threads.savers.steady import Steady, busy

VERSION = 1
GLANCE = 0.1  # seconds that one who only looks whether a thread runs may have its lock
DROP = (
    "DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id = ?",
    "DELETE FROM writes WHERE thread_id = ? AND checkpoint_id = ?",
)
ORPHANS = """
UPDATE checkpoints AS c SET parent_checkpoint_id = NULL
WHERE thread_id = ? AND NOT EXISTS (
  SELECT 1 FROM checkpoints AS p WHERE p.thread_id = c.thread_id
  AND p.checkpoint_ns = c.checkpoint_ns AND p.checkpoint_id = c.parent_checkpoint_id)"""


class SqliteThreads(Steady, SqliteSaver):
    """The engine's SQLite saver on one file."""

    failures: ClassVar[tuple[type[Exception], ...]] = (sqlite3.Error,)
    file: Path

    def passes(self, error: Exception) -> bool:
        """Nothing that SQLite says after its own waiting goes away by more of it."""
        return False

    def message(self, error: Exception) -> str:
        """Name the file and the remedy."""
        return _error_message(self.file, error)

    @contextmanager
    def held(self, thread_id: str) -> Iterator[None]:
        """A locked file a thread; the lock ends with the process."""
        with self._locked_file(thread_id) as lock:
            end = time.monotonic() + GLANCE
            while not try_lock(lock):
                if time.monotonic() > end:
                    raise busy(thread_id)
                time.sleep(0.01)
            yield

    def running(self, thread_id: str) -> bool:
        """Its lock cannot be taken."""
        file = self._lock_of(thread_id)
        if not file.exists():
            return False
        with file.open("ab") as lock:
            return not try_lock(lock)

    def names(self, limit: int | None = None) -> Iterator[tuple[str, str]]:
        """Read from the index alone."""
        query = (
            "SELECT thread_id, max(checkpoint_id) FROM checkpoints WHERE checkpoint_ns = '' "
            "GROUP BY thread_id ORDER BY 2 DESC LIMIT ?"
        )
        return iter(self._rows(query, -1 if limit is None else limit))

    def size(self, thread_id: str) -> int:
        """See `Steady`."""
        checkpoints = "SELECT sum(length(checkpoint) + length(metadata)) FROM checkpoints"
        writes = "SELECT sum(length(value)) FROM writes"
        sums = [
            self._rows(f"{query} WHERE thread_id = ?", thread_id)[0][0]
            for query in (checkpoints, writes)
        ]
        return sum(existing or 0 for existing in sums)

    def drop(self, thread_id: str, checkpoint_ids: Sequence[str]) -> None:
        """In one transaction."""
        pairs = [(thread_id, id_) for id_ in checkpoint_ids]

        def dropped() -> None:
            with self.lock, self.conn:
                for statement in DROP:
                    self.conn.executemany(statement, pairs)
                self.conn.execute(ORPHANS, (thread_id,))

        self.steady(dropped)

    def compact(self) -> None:
        """The file shrinks once the log has been written into it."""

        def compacted() -> None:
            with self.lock:
                self.conn.execute("VACUUM")
                self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self.steady(compacted)

    def _locked_file(self, thread_id: str) -> BinaryIO:
        file = self._lock_of(thread_id)
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
            return file.open("ab")
        except OSError as error:
            raise StorageError(_error_message(file, error)) from error

    def _lock_of(self, thread_id: str) -> Path:
        name = hashlib.sha256(thread_id.encode()).hexdigest()[:32]
        return self.file.parent / "locks" / name

    def _rows(self, query: str, *values: Any) -> list[Any]:
        def is_readable() -> list[Any]:
            with self.cursor(transaction=False) as cursor:
                return cursor.execute(query, values).fetchall()

        return self.steady(is_readable)


@contextmanager
def opened(file: Path, serde: SerializerProtocol) -> Iterator[SqliteThreads]:
    """The threads in that file, which is made where there is none, for this user only."""
    try:
        file.touch(mode=0o600)
        connection = sqlite3.connect(file, timeout=60, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(_error_message(file, error)) from error
    threads = SqliteThreads(connection, serde=serde)
    threads.file = file
    try:
        _set_up(threads)
        yield threads
    finally:
        threads.finished()
        with threads.lock:  # closed beneath a statement, it would take the process with it
            connection.close()


def _set_up(threads: SqliteThreads) -> None:
    """One process at a time: to change the journal's mode waits for nobody."""
    try:
        with threads.file.with_suffix(".setup").open("ab") as lock:
            while not try_lock(lock):
                time.sleep(0.01)
            version = _checked_version(threads)
            threads.setup()
            threads.conn.execute("PRAGMA synchronous=NORMAL")
            if version != VERSION:
                threads.conn.execute(f"PRAGMA user_version={VERSION}")
    except (OSError, sqlite3.Error) as error:
        raise StorageError(_error_message(threads.file, error)) from error


def _checked_version(threads: SqliteThreads) -> int:
    [version] = threads.conn.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StorageError(
            f"{str(threads.file)!r} has version {version}, and this moagraph knows {VERSION}: "
            "update moagraph, or set MOA_HOME to another folder"
        )
    return int(version)


def _error_message(file: Path, error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if "full" in text or "No space" in text:
        remedy = "free some space"
    elif "I/O" in text:
        remedy = "the disk is full or fails: free some space"
    elif "not a database" in text or "malformed" in text:
        remedy = "it is damaged: move it away, or bring back a copy"
    else:
        remedy = "set MOA_HOME to a folder that can be written to"
    return f"cannot use {str(file)!r}: {text}; {remedy}"
