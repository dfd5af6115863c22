"""Threads in Postgres, through a pool of connections that outlives a restart of the server."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from moagraph.keep.steady import PATIENCE, Steady, busy
from nodes.errors import StorageError

SETUP = "hashtextextended('moagraph', 0)"
HOW = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


class PostgresThreads(Steady, PostgresSaver):
    """The engine's Postgres saver over a pool."""

    failures: ClassVar[tuple[type[Exception], ...]] = (psycopg.Error, PoolTimeout)
    url: str

    def passes(self, error: Exception) -> bool:
        """A server that restarts comes back; a refused statement stays refused."""
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)

    def told(self, error: Exception) -> str:
        """Name the server, never its password."""
        return _told(self.url, error)

    @contextmanager
    def held(self, thread_id: str) -> Iterator[None]:
        """An advisory lock on a connection of its own; it ends with the connection."""
        key = int.from_bytes(hashlib.sha256(thread_id.encode()).digest()[:8], "big", signed=True)
        with _connected(self.url) as connection:
            got = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            if not got or not got[0]:
                raise busy(thread_id)
            yield


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
            raise StorageError(_told(url, error)) from error
        yield threads


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


def _lacks_tables(connection: psycopg.Connection[Any], known: int) -> bool:
    there = connection.execute("SELECT to_regclass('checkpoint_migrations') AS found").fetchone()
    if not there or not there["found"]:
        return True
    newest = connection.execute("SELECT max(v) AS v FROM checkpoint_migrations").fetchone()
    version = int((newest or {}).get("v") or 0)
    if version > known:
        raise StorageError(
            f"the database has schema {version}, and this moagraph knows {known}: "
            "update langgraph-checkpoint-postgres"
        )
    return version < known


def _connected(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise StorageError(_told(url, error)) from error


def _told(url: str, error: Exception) -> str:
    parts = urlsplit(url)
    where = f"{parts.hostname or 'local socket'}{parts.path}"
    text = " ".join(str(error).split())
    if parts.password:
        text = text.replace(parts.password, "***")
    return f"cannot use the Postgres database {where}: {text}; check MOA_DATABASE_URL"
