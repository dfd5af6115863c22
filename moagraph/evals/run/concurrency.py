"""Many jobs at once, and what they tell while they run."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from moagraph.nodes.state import Json

T = TypeVar("T")


class Told(Protocol):
    """Told what happens; called on the run's own loop, so it must be quick."""

    def began(self, what: str, total: int, standing: int) -> None:
        """So many answers or verdicts are wanted, and so many of them stand already."""

    def done(self, row: Json) -> None:
        """One more is there."""

    def failed(self, what: str) -> None:
        """One could not be had."""

    def note(self, text: str) -> None:
        """A line that a person should read."""


class Untold:
    """Nobody looks."""

    def began(self, what: str, total: int, standing: int) -> None:
        """Say nothing."""

    def done(self, row: Json) -> None:
        """Say nothing."""

    def failed(self, what: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


async def each(jobs: Iterable[T], work: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Do the work, so many at once; after a failure none is begun, and those under way end."""
    waiting = iter(jobs)
    broken: list[Exception] = []

    async def worker() -> None:
        try:
            for job in waiting:
                if broken:
                    return
                await work(job)
        except Exception as error:  # a mistake of ours too: the others still write what they have
            broken.append(error)

    await asyncio.gather(*(worker() for _ in range(at_once)))
    if broken:
        raise broken[0]
