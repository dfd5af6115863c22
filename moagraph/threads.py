"""Where runs are kept: SQLite in the data folder, or Postgres where MOA_DATABASE_URL says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from moagraph.keep.packed import Packed
from moagraph.keep.steady import Steady
from nodes.folder import data_folder
from nodes.seal import need, sealed

Threads: TypeAlias = Steady


@contextmanager
def open_threads() -> Iterator[Threads]:
    """The saver that the command line uses, for sync and async callers on any loop."""
    url = os.environ.get("MOA_DATABASE_URL", "").strip()
    if url:
        need("psycopg_pool", "MOA_DATABASE_URL", "postgres")
        from moagraph.keep.postgres import opened as opened_postgres

        with opened_postgres(url, sealed(Packed())) as threads:
            yield threads
    else:
        from moagraph.keep.sqlite import opened as opened_sqlite

        with opened_sqlite(data_folder() / "threads.sqlite", sealed(Packed())) as threads:
            yield threads
