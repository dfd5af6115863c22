"""Resources per event loop, and a background loop for synchronous callers.

HTTP connections are bound to the loop that opened them, so clients cannot be shared.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_resources: dict[asyncio.AbstractEventLoop, dict[Any, Any]] = {}
_ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on the background loop and wait for its result.

    `asyncio.run` would fail inside a running loop, such as that of a notebook.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, _background(os.getpid())).result()


def of_this_loop() -> dict[Any, Any]:
    """Return the resources of the running loop: clients and models that live as long as it."""
    loop = asyncio.get_running_loop()
    if loop not in _resources:
        for ended in [other_loop for other_loop in _resources if other_loop.is_closed()]:
            _forget(ended)
        _resources[loop], _ends[loop] = {}, _end(loop)
        with suppress(StopIteration):  # the first step registers the generator with the loop
            _ends[loop].__anext__().send(None)
    return _resources[loop]


async def _end(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
    """Close the resources of a loop when it ends.

    A loop has no exit hook, but `asyncio.run` closes its asynchronous generators at the end.
    """
    try:
        yield
    finally:
        for thing in _forget(loop).values():
            if hasattr(thing, "aclose"):
                await thing.aclose()


def _forget(loop: asyncio.AbstractEventLoop) -> dict[Any, Any]:
    _ends.pop(loop, None)
    return _resources.pop(loop, {})


# By process: a fork copies the cache but not the thread that runs the loop.
@cache
def _background(pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"moagraph-{pid}", daemon=True).start()
    return loop
