"""Where runs are kept: SQLite in the data folder, or Postgres where MOA_DATABASE_URL says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from moagraph.nodes.storage.data_dir import data_folder
from moagraph.nodes.storage.encryption import encrypt_serializer, require_module
from moagraph.threads.savers.packed import Packed
from moagraph.threads.savers.steady import Steady

Threads: TypeAlias = Steady


@contextmanager
def open_threads() -> Iterator[Threads]:
    """The saver that the command line uses, for sync and async callers on any loop."""
    url = os.environ.get("MOA_DATABASE_URL", "").strip()
    if url:
        require_module("psycopg_pool", "MOA_DATABASE_URL", "postgres")
        from moagraph.threads.savers.postgres import opened as opened_postgres

        with opened_postgres(url, encrypt_serializer(Packed())) as threads:
            yield threads
    else:
        from moagraph.threads.savers.sqlite import opened as opened_sqlite

        with opened_sqlite(
            data_folder() / "threads.sqlite", encrypt_serializer(Packed())
        ) as threads:
            yield threads
