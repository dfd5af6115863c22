"""Where runs are kept: SQLite in the data folder, or Postgres where MOA_DATABASE_URL says so."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from langgraph.checkpoint.serde.base import SerializerProtocol

from moagraph.keep.packed import Packed
from moagraph.keep.steady import Steady
from nodes.errors import MissingExtra, UsageError
from nodes.folder import data_folder

Threads: TypeAlias = Steady

KEY = "MOA_ENCRYPTION_KEY"


@contextmanager
def open_threads() -> Iterator[Threads]:
    """The saver that the command line uses, for sync and async callers on any loop."""
    url = os.environ.get("MOA_DATABASE_URL", "").strip()
    if url:
        _need("psycopg_pool", "MOA_DATABASE_URL", "postgres")
        from moagraph.keep.postgres import opened as opened_postgres

        with opened_postgres(url, _serde()) as threads:
            yield threads
    else:
        from moagraph.keep.sqlite import opened as opened_sqlite

        with opened_sqlite(data_folder() / "threads.sqlite", _serde()) as threads:
            yield threads


def _serde() -> SerializerProtocol:
    """Encryption at rest, where the environment holds a key for it."""
    key = os.environ.get(KEY, "").encode()
    if not key:
        return Packed()
    _need("Crypto", KEY, "encryption")
    if len(key) not in (16, 24, 32):
        raise UsageError(f"{KEY} must be 16, 24 or 32 bytes long; it has {len(key)}")
    from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

    return EncryptedSerializer.from_pycryptodome_aes(serde=Packed(), key=key)


def _need(module: str, variable: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingExtra(f"{variable} is set, which needs `pip install 'moagraph[{extra}]'`")
