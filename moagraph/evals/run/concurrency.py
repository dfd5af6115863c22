"""Run many jobs at once, and the protocol of a listener that shows their progress."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from moagraph.nodes.state import Json

T = TypeVar("T")


class ProgressListener(Protocol):
    """Is called on the run's event loop when something happens, so it must return quickly."""

    def began(self, what: str, total: int, existing: int) -> None:
        """A phase begins.

        Args:
            what: `answers` or `verdicts`.
            total: How many the run needs.
            existing: How many of them exist already.
        """

    def done(self, row: Json) -> None:
        """An answer or a verdict was stored, or an answer failed."""

    def failed(self, what: str) -> None:
        """A verdict failed."""

    def note(self, text: str) -> None:
        """The user should read this line."""


class SilentListener:
    """Shows nothing."""

    def began(self, what: str, total: int, existing: int) -> None:
        """Do nothing."""

    def done(self, row: Json) -> None:
        """Do nothing."""

    def failed(self, what: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


async def run_concurrently(
    jobs: Iterable[T], work: Callable[[T], Awaitable[None]], concurrency: int
) -> None:
    """Do the work of every job; after an exception no job starts, and the running ones finish.

    Args:
        jobs: The jobs, in the order in which they start.
        work: What to do with a job.
        concurrency: How many jobs run at once.
    """
    waiting = iter(jobs)
    errors: list[Exception] = []

    async def worker() -> None:
        try:
            for job in waiting:
                if errors:
                    return
                await work(job)
        except Exception as error:  # of any type, so that the running jobs store their results
            errors.append(error)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    if errors:
        raise errors[0]
