"""One HTTP client a running event loop, and one loop for those who call without one."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_kept: dict[asyncio.AbstractEventLoop, dict[Any, Any]] = {}
_ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on the background loop and wait, also from inside another loop."""
    return asyncio.run_coroutine_threadsafe(coroutine, _background(os.getpid())).result()


def of_this_loop() -> dict[Any, Any]:
    """What is kept as long as the running loop lives: clients and models bound to it."""
    loop = asyncio.get_running_loop()
    if loop not in _kept:
        for ended in [known for known in _kept if known.is_closed()]:
            _forget(ended)
        _kept[loop], _ends[loop] = {}, _end(loop)
        with suppress(StopIteration):  # its first step, which makes it known to the loop
            _ends[loop].__anext__().send(None)
    return _kept[loop]


async def _end(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
    """A loop that ends closes its open generators: here that means its connections."""
    try:
        yield
    finally:
        for thing in _forget(loop).values():
            if hasattr(thing, "aclose"):
                await thing.aclose()


def _forget(loop: asyncio.AbstractEventLoop) -> dict[Any, Any]:
    _ends.pop(loop, None)
    return _kept.pop(loop, {})


@cache
def _background(pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"moagraph-{pid}", daemon=True).start()
    return loop
