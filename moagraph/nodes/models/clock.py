"""Time in which this process could run: what a model's time limit is measured by.

While a process is stopped (Ctrl-Z, a suspended container, a debugger) or its event loop is
blocked, the clock of the machine goes on. Answers that arrived meanwhile would all count as late.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from moagraph.nodes.models import event_loops

TICK = 0.25  # seconds between two looks at the clock
LATE = 0.75  # seconds by which a look is late where the process did not run


class ActiveClock:
    """The time of one event loop, less the time in which the loop did not run."""

    def __init__(self) -> None:
        """Begin with nothing lost."""
        self._loop = asyncio.get_running_loop()
        self._seen, self._lost, self._users = self._loop.time(), 0.0, 0
        self._tick: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Seconds, of which only differences mean anything, and only while it is `running`."""
        now = self._loop.time()
        if self._users and now - self._seen > TICK + LATE:
            self._lost += now - self._seen - TICK
        self._seen = now
        return now - self._lost

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look at the clock regularly, as a gap is only seen between two looks."""
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
    """The clock of the running loop."""
    kept = event_loops.of_this_loop()
    if "clock" not in kept:
        kept["clock"] = ActiveClock()
    clock: ActiveClock = kept["clock"]
    return clock


class Timer:
    """Calls back once so much active time has passed; the clock must be `running`."""

    def __init__(self, seconds: float, callback: Callable[[], object]) -> None:
        """Begin to count."""
        self._clock, self._callback = active_clock(), callback
        self._end = self._clock.time() + seconds
        self._handle: asyncio.TimerHandle | None = None
        self._check()

    @property
    def left(self) -> float:
        """Seconds until it calls."""
        return self._end - self._clock.time()

    def cancel(self) -> None:
        """Never call."""
        if self._handle:
            self._handle.cancel()

    def _check(self) -> None:
        """The machine's clock wakes this up; the active one may say that it is too early."""
        if (left := self.left) > 0:
            self._handle = asyncio.get_running_loop().call_later(left, self._check)
        else:
            self._callback()


class Deadline:
    """The end of a block's time, which can be put off while the block waits for its turn."""

    def __init__(self, seconds: float, timeout: asyncio.Timeout) -> None:
        """Begin to count; the timeout is what cancels the block."""
        self._timeout = timeout
        self._timer = Timer(seconds, self._expire)

    @property
    def left(self) -> float:
        """Seconds that the block still has."""
        return self._timer.left

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time in here."""
        left = self.left
        self._timer.cancel()
        try:
            yield
        finally:
            self._timer = Timer(left, self._expire)

    def stop(self) -> None:
        """The block has ended."""
        self._timer.cancel()

    def _expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[Deadline]:
    """Raise TimeoutError where the block takes longer, in active time."""
    async with asyncio.timeout(None) as timeout:
        with active_clock().running():
            limit = Deadline(seconds, timeout)
            try:
                yield limit
            finally:
                limit.stop()


async def sleep(seconds: float) -> None:
    """Sleep for so much active time."""
    clock = active_clock()
    with clock.running():
        end = clock.time() + seconds
        while (left := end - clock.time()) > 0:
            await asyncio.sleep(left)
