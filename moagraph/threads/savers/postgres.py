"""Threads in Postgres, through a pool of connections that outlives a restart of the server."""

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, LiteralString
from urllib.parse import urlsplit

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from moagraph.nodes.errors import StorageError
from moagraph.threads.savers.steady import PATIENCE, Steady, busy

# The pool warns of each try; what comes of them is said once, by us.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

SETUP = "hashtextextended('moagraph', 0)"
NAMES = """
SELECT thread_id, max(checkpoint_id) AS checkpoint_id FROM checkpoints
WHERE checkpoint_ns = '' GROUP BY thread_id ORDER BY 2 DESC LIMIT %s"""
SIZE = """
SELECT
  (SELECT coalesce(sum(pg_column_size(checkpoint) + pg_column_size(metadata)), 0)
   FROM checkpoints WHERE thread_id = %s)
  + (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_blobs WHERE thread_id = %s)
  + (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_writes WHERE thread_id = %s)
  AS bytes"""
DROP: tuple[LiteralString, ...] = (
    "DELETE FROM checkpoints WHERE thread_id = %s AND checkpoint_id = ANY(%s)",
    "DELETE FROM checkpoint_writes WHERE thread_id = %s AND checkpoint_id = ANY(%s)",
    "UPDATE checkpoints SET parent_checkpoint_id = NULL "
    "WHERE thread_id = %s AND parent_checkpoint_id = ANY(%s)",
)
DROP_BLOBS = """
DELETE FROM checkpoint_blobs AS b WHERE thread_id = %s AND NOT EXISTS (
  SELECT 1 FROM checkpoints AS c
  WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
  AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version)"""
LOCKED = """
SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32) | objid::bigint = %s::bigint"""
HOW = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


class PostgresThreads(Steady, PostgresSaver):
    """The engine's Postgres saver over a pool."""

    failures: ClassVar[tuple[type[Exception], ...]] = (psycopg.Error, PoolTimeout)
    url: str

    def passes(self, error: Exception) -> bool:
        """A server that restarts comes back; a refused statement stays refused."""
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)

    def message(self, error: Exception) -> str:
        """Name the server, never its password."""
        return _error_message(self.url, error)

    @contextmanager
    def held(self, thread_id: str) -> Iterator[None]:
        """An advisory lock on a connection of its own; it ends with the connection."""
        with _connected(self.url) as connection:
            how = "SELECT pg_try_advisory_lock(%s)"
            got = connection.execute(how, (_key(thread_id),)).fetchone()
            if not got or not got[0]:
                raise busy(thread_id)
            try:
                yield
            finally:
                # A server that is told to hang up lets go of the lock some time later.
                with suppress(psycopg.Error):
                    connection.execute("SELECT pg_advisory_unlock(%s)", (_key(thread_id),))

    def running(self, thread_id: str) -> bool:
        """Its lock is among those that the server lists."""
        return bool(self._rows(LOCKED, _key(thread_id)))

    def names(self, limit: int | None = None) -> Iterator[tuple[str, str]]:
        """Read from the index alone."""
        rows = self._rows(NAMES, limit)
        return ((row["thread_id"], row["checkpoint_id"]) for row in rows)

    def size(self, thread_id: str) -> int:
        """As they are kept, which is compressed."""
        return int(self._rows(SIZE, thread_id, thread_id, thread_id)[0]["bytes"] or 0)

    def drop(self, thread_id: str, checkpoint_ids: Sequence[str]) -> None:
        """In one transaction, with the values that no kept checkpoint has any more."""

        def dropped() -> None:
            with self._cursor() as cursor, cursor.connection.transaction():
                for statement in DROP:
                    cursor.execute(statement, (thread_id, [*checkpoint_ids]))
                cursor.execute(DROP_BLOBS, (thread_id,))

        self.steady(dropped)

    def compact(self) -> None:
        """The server uses the room again."""
        self._rows("VACUUM checkpoints, checkpoint_blobs, checkpoint_writes")

    def _rows(self, query: LiteralString, *values: Any) -> list[Any]:
        def is_readable() -> list[Any]:
            with self._cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall() if cursor.description else []

        return self.steady(is_readable)


def _key(thread_id: str) -> int:
    return int.from_bytes(hashlib.sha256(thread_id.encode()).digest()[:8], "big", signed=True)


@contextmanager
def opened(url: str, serde: SerializerProtocol) -> Iterator[PostgresThreads]:
    """The threads in that database; its tables are made where there are none."""
    _connected(url).close()  # to say at once what is wrong; the pool would try for long
    pool: ConnectionPool[Any] = ConnectionPool(
        url,
        kwargs=HOW,
        min_size=1,
        max_size=20,
        timeout=PATIENCE,
        check=ConnectionPool.check_connection,
        open=False,
    )
    with pool:
        threads = PostgresThreads(pool, serde=serde)
        threads.url = url
        try:
            _set_up(threads, pool)
        except psycopg.Error as error:
            raise StorageError(_error_message(url, error)) from error
        try:
            yield threads
        finally:
            threads.finished()


def _set_up(threads: PostgresThreads, pool: ConnectionPool[Any]) -> None:
    """One process at a time, and never back: a newer schema is left alone."""
    with pool.connection() as connection:
        # Asked again and again: one that waits in the server would stop the index being made.
        while not _got(connection.execute(f"SELECT pg_try_advisory_lock({SETUP}) AS got")):
            time.sleep(0.02)
        try:
            if _lacks_tables(connection, len(threads.MIGRATIONS) - 1):
                threads.setup()
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({SETUP})")


def _got(cursor: psycopg.Cursor[Any]) -> bool:
    row = cursor.fetchone()
    return bool(row and row["got"])


def _lacks_tables(connection: psycopg.Connection[Any], existing: int) -> bool:
    there = connection.execute("SELECT to_regclass('checkpoint_migrations') AS found").fetchone()
    if not there or not there["found"]:
        return True
    newest = connection.execute("SELECT max(v) AS v FROM checkpoint_migrations").fetchone()
    version = int((newest or {}).get("v") or 0)
    if version > existing:
        raise StorageError(
            f"the database has schema {version}, and this moagraph knows {existing}: "
            "update langgraph-checkpoint-postgres"
        )
    return version < existing


def _connected(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise StorageError(_error_message(url, error)) from error


def _error_message(url: str, error: Exception) -> str:
    parts = urlsplit(url)
    where = f"{parts.hostname or 'local socket'}{parts.path}"
    text = " ".join(str(error).split())
    if parts.password:
        text = text.replace(parts.password, "***")
    return f"cannot use the Postgres database {where}: {text}; check MOA_DATABASE_URL"
