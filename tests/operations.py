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
    """The most calls that one turn of one task takes while the work runs.

    A round of the event loop runs whatever is ready; how much that is depends on the clock.
    """
    counter, longest = Operations(), 0
    run_handle = asyncio.Handle._run

    def counted(handle: asyncio.Handle) -> None:
        nonlocal longest
        before = counter.count
        run_handle(handle)
        longest = max(longest, counter.count - before)

    asyncio.Handle._run = counted  # type: ignore[method-assign, assignment]
    try:
        await asyncio.sleep(0)  # the turn that began before the replacement is not counted
        with counter:
            await work()
    finally:
        asyncio.Handle._run = run_handle  # type: ignore[method-assign]
    return longest
