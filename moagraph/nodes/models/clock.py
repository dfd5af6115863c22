"""Active time: the time in which this process could run. Timeouts of models use it.

While a process is stopped (Ctrl-Z, a suspended container, a debugger) or its event loop is
blocked, wall-clock time goes on, and answers that arrived meanwhile would all count as late.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from moagraph.nodes.models import event_loops

TICK = 0.25  # seconds between two readings of the clock
LATE = 0.75  # seconds of delay from which a reading shows that the process did not run


class ActiveClock:
    """The time of one event loop, without the time in which the loop did not run."""

    def __init__(self) -> None:
        """Start the clock of the running loop."""
        self._loop = asyncio.get_running_loop()
        self._seen, self._lost, self._users = self._loop.time(), 0.0, 0
        self._tick: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Return seconds; only differences count, and only while the clock is `running`."""
        now = self._loop.time()
        if self._users and now - self._seen > TICK + LATE:
            # One tick is kept: up to so much of the gap was the regular wait.
            self._lost += now - self._seen - TICK
        self._seen = now
        return now - self._lost

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read the clock regularly: a gap is only visible between two readings."""
        self.time()
        self._users += 1
        if self._tick is None:
            self._look()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._tick:
                self._tick.cancel()
                self._tick = None

    def _look(self) -> None:
        self.time()
        self._tick = self._loop.call_later(TICK, self._look)


def active_clock() -> ActiveClock:
    """Return the clock of the running loop."""
    shared = event_loops.of_this_loop()
    if "clock" not in shared:
        shared["clock"] = ActiveClock()
    clock: ActiveClock = shared["clock"]
    return clock


class Timer:
    """Calls back after an amount of active time; the clock must be `running`."""

    def __init__(self, seconds: float, callback: Callable[[], object]) -> None:
        """Start the timer."""
        self._clock, self._callback = active_clock(), callback
        self._end = self._clock.time() + seconds
        self._handle: asyncio.TimerHandle | None = None
        self._check()

    @property
    def remaining(self) -> float:
        """Seconds until the callback."""
        return self._end - self._clock.time()

    def cancel(self) -> None:
        """Cancel the callback."""
        if self._handle:
            self._handle.cancel()

    def _check(self) -> None:
        """Call back, or wait again: the loop's own time may be ahead of active time."""
        if (remaining := self.remaining) > 0:
            self._handle = asyncio.get_running_loop().call_later(remaining, self._check)
        else:
            self._callback()


class Deadline:
    """The time limit of a block, which can be paused while the block waits for its turn."""

    def __init__(self, seconds: float, timeout: asyncio.Timeout) -> None:
        """Start the time limit.

        Args:
            seconds: The limit.
            timeout: The asyncio timeout that cancels the block.
        """
        self._timeout = timeout
        self._timer = Timer(seconds, self._expire)

    @property
    def remaining(self) -> float:
        """Seconds until the limit."""
        return self._timer.remaining

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside this block."""
        remaining = self.remaining
        self._timer.cancel()
        try:
            yield
        finally:
            self._timer = Timer(remaining, self._expire)

    def stop(self) -> None:
        """Stop the time limit: the block has ended."""
        self._timer.cancel()

    def _expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[Deadline]:
    """Raise TimeoutError if the block takes longer than so much active time."""
    async with asyncio.timeout(None) as timeout:
        with active_clock().running():
            limit = Deadline(seconds, timeout)
            try:
                yield limit
            finally:
                limit.stop()


async def sleep(seconds: float) -> None:
    """Sleep for an amount of active time."""
    clock = active_clock()
    with clock.running():
        end = clock.time() + seconds
        while (remaining := end - clock.time()) > 0:
            await asyncio.sleep(remaining)
