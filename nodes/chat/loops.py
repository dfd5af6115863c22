"""One HTTP client a running event loop, and one loop for those who call without one."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Any]] = WeakKeyDictionary()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on the background loop and wait, also from inside another loop."""
    return asyncio.run_coroutine_threadsafe(coroutine, _background(os.getpid())).result()


def of_this_loop() -> dict[Any, Any]:
    """What is kept as long as the running loop lives: clients and models bound to it."""
    return _kept.setdefault(asyncio.get_running_loop(), {})


@cache
def _background(pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"moagraph-{pid}", daemon=True).start()
    return loop
