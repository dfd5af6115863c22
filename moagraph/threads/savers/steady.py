"""A saver for any event loop that outlasts a database which is away for a moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from threading import Condition
from typing import Any, ClassVar, ParamSpec, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver

from moagraph.nodes.errors import StorageError, UsageError

T = TypeVar("T")
P = ParamSpec("P")

KEY = "set MOA_ENCRYPTION_KEY to the key that they were written with"
PATIENCE = 30.0  # seconds that a database may be away before a run gives up


class UnderWay:
    """Calls in other threads: whoever gave up waiting for one, it goes on to its end."""

    def __init__(self) -> None:
        """None yet."""
        self._number = 0
        self._changed = Condition()

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; a caller that is cancelled leaves it running."""
        work = partial(copy_context().run, call, *args, **kwargs)
        self._count(1)
        try:
            future = asyncio.get_running_loop().run_in_executor(None, self._counted, work)
        except BaseException:  # nobody will run it
            self._count(-1)
            raise
        return await asyncio.shield(future)

    def wait(self, seconds: float) -> None:
        """Until none is left, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._number, seconds)

    def _counted(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._count(-1)

    def _count(self, by: int) -> None:
        with self._changed:
            self._number += by
            self._changed.notify_all()


class Steady(BaseCheckpointSaver[str]):
    """Put before one of the engine's sync savers; its async methods run them in threads."""

    failures: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As the engine's saver."""
        super().__init__(*args, **kwargs)
        self._under_way = UnderWay()

    def finished(self) -> None:
        """What was begun is written: the connection may go."""
        self._under_way.wait(PATIENCE)

    def passes(self, error: Exception) -> bool:
        """Whether waiting can help."""
        raise NotImplementedError

    def message(self, error: Exception) -> str:
        """What is wrong and what to do, in one line."""
        raise NotImplementedError

    def held(self, thread_id: str) -> AbstractContextManager[None]:
        """Hold the thread for one run; another that wants it meanwhile is refused."""
        raise NotImplementedError

    def running(self, thread_id: str) -> bool:
        """Whether somebody holds the thread now."""
        raise NotImplementedError

    def names(self, limit: int | None = None) -> Iterator[tuple[str, str]]:
        """The threads with their newest checkpoint's id, newest first; nothing is unpacked."""
        raise NotImplementedError

    def size(self, thread_id: str) -> int:
        """The bytes that the thread's rows hold."""
        raise NotImplementedError

    def drop(self, thread_id: str, checkpoint_ids: Sequence[str]) -> None:
        """Delete these checkpoints at once; a kept one whose parent goes has none then."""
        raise NotImplementedError

    def compact(self) -> None:
        """Give the room of what was deleted back."""
        raise NotImplementedError

    def steady(self, call: Callable[[], T]) -> T:
        """The call's result, tried again while the database is only away."""
        began = time.monotonic()
        while True:
            try:
                return call()
            except self.failures as error:
                if not self.passes(error) or time.monotonic() - began > PATIENCE:
                    raise StorageError(self.message(error)) from error
                time.sleep(0.5)
            except (ValueError, NotImplementedError) as error:
                if "MAC check" in str(error) or "serialization type" in str(error):
                    raise StorageError(f"the threads are encrypted: {KEY}") from error
                raise

    def get_tuple(self, config: Any) -> Any:
        """See the engine's saver."""
        return self.steady(lambda: super(Steady, self).get_tuple(config))

    def list(self, config: Any, **options: Any) -> Iterator[Any]:
        """See the engine's saver."""
        return iter(self.steady(lambda: [*super(Steady, self).list(config, **options)]))

    def put(self, *what: Any) -> Any:
        """See the engine's saver."""
        return self.steady(lambda: super(Steady, self).put(*what))

    def put_writes(self, *what: Any, **where: Any) -> None:
        """See the engine's saver."""
        self.steady(lambda: super(Steady, self).put_writes(*what, **where))

    def delete_thread(self, thread_id: str) -> None:
        """See the engine's saver."""
        self.steady(lambda: super(Steady, self).delete_thread(thread_id))

    def get_delta_channel_history(self, **what: Any) -> Any:
        """See the engine's saver."""
        return self.steady(lambda: super(Steady, self).get_delta_channel_history(**what))

    async def aget_tuple(self, config: Any) -> Any:
        """See `get_tuple`."""
        return await self._under_way.run(self.get_tuple, config)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        """See `list`."""
        for item in await self._under_way.run(self.list, config, **options):
            yield item

    async def aput(self, *what: Any) -> Any:
        """See `put`."""
        return await self._under_way.run(self.put, *what)

    async def aput_writes(self, *what: Any, **where: Any) -> None:
        """See `put_writes`."""
        await self._under_way.run(self.put_writes, *what, **where)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await self._under_way.run(self.delete_thread, thread_id)

    async def aget_delta_channel_history(self, **what: Any) -> Any:
        """See `get_delta_channel_history`."""
        return await self._under_way.run(lambda: self.get_delta_channel_history(**what))


def busy(thread_id: str) -> UsageError:
    """Why a thread cannot be had now."""
    return UsageError(
        f"thread {thread_id!r} is running, here or in another process: "
        "wait until it ends, or use another thread"
    )
