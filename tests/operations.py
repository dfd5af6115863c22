"""Count operations instead of seconds: calls of functions, in Python and in C, of one thread."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any


class Operations:
    """Counts the calls of the current thread while it is active."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "Operations":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            self.count += 1


def operations(work: Callable[[], object]) -> int:
    """How many calls the work takes."""
    with Operations() as counter:
        work()
    return counter.count


async def longest_block(work: Callable[[], Awaitable[object]]) -> int:
    """The most calls between two turns of the event loop while the work runs."""
    counter, longest = Operations(), 0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = counter.count
            await asyncio.sleep(0)
            longest = max(longest, counter.count - before)

    ticking = asyncio.create_task(tick())
    try:
        with counter:
            await work()
    finally:
        ticking.cancel()
    return longest
