"""Where runs are kept: SQLite in the data folder, or Postgres where MOA_DATABASE_URL says so."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from nodes.folder import data_folder


class InThreads:
    """Async methods that hand the saver's own sync ones to a thread: any loop can use them."""

    async def aget_tuple(self, *args: Any, **kwargs: Any) -> Any:
        """See the saver's `get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, *args, **kwargs)  # type: ignore[attr-defined]

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """See the saver's `list`."""
        for item in await asyncio.to_thread(lambda: list(self.list(*args, **kwargs))):  # type: ignore[attr-defined]
            yield item

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        """See the saver's `put`."""
        return await asyncio.to_thread(self.put, *args, **kwargs)  # type: ignore[attr-defined]

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        """See the saver's `put_writes`."""
        await asyncio.to_thread(self.put_writes, *args, **kwargs)  # type: ignore[attr-defined]

    async def adelete_thread(self, *args: Any, **kwargs: Any) -> None:
        """See the saver's `delete_thread`."""
        await asyncio.to_thread(self.delete_thread, *args, **kwargs)  # type: ignore[attr-defined]

    async def aget_delta_channel_history(self, *args: Any, **kwargs: Any) -> Any:
        """See the saver's `get_delta_channel_history`."""
        return await asyncio.to_thread(self.get_delta_channel_history, *args, **kwargs)  # type: ignore[attr-defined]


class SqliteThreads(InThreads, SqliteSaver):
    """SQLite for sync and async callers alike."""


@contextmanager
def open_threads() -> Iterator[SqliteThreads]:
    """The saver that the command line uses."""
    file = data_folder() / "threads.sqlite"
    file.touch(mode=0o600)
    connection = sqlite3.connect(file, timeout=30, check_same_thread=False)
    try:
        yield SqliteThreads(connection)
    finally:
        connection.close()
