"""The seats that answer at once: what the first to finish mean for the last."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import get_runtime

from nodes.chat import loops
from nodes.chat.ask import in_place_of
from nodes.chat.reply import Reply

Asking = Callable[[], Awaitable[Reply]]

MOST = 1000  # races kept of runs that never came to their end


@dataclass(frozen=True)
class Rules:
    """How long the last seats of a layer are waited for."""

    seats: int
    quorum: int
    grace: float | None = None
    hedge_after: float | None = None


@dataclass
class Race:
    """One layer under way; every seat of it comes here, in any order."""

    rules: Rules
    usable: int = 0
    finished: int = 0
    open: dict[str, asyncio.Task[Reply]] = field(default_factory=dict)
    one_left: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, seat: str, model: str, asking: Asking, hedge: Asking | None) -> Reply:
        """The seat's reply: its own, its substitute's, or that it came too late."""
        self._look()
        task = asyncio.ensure_future(self._effort(model, asking, hedge))
        self.open[seat] = task
        try:
            await asyncio.wait([task])
        finally:
            await _end(task)
            del self.open[seat]
        reply = self._late(model) if task.cancelled() else task.result()
        self.finished += 1
        self.usable += reply.ok
        self._look()
        return reply

    def _look(self) -> None:
        """Start the last seats' time once the quorum is in; know when one seat is left."""
        if self.finished == self.rules.seats - 1:
            self.one_left.set()
        if self.rules.grace is not None and self.usable == self.rules.quorum and self.finished:
            asyncio.get_running_loop().call_later(self.rules.grace, self._close)

    def _close(self) -> None:
        for task in self.open.values():
            task.cancel()

    def _late(self, model: str) -> Reply:
        grace, quorum = self.rules.grace, self.rules.quorum
        error = f"cut off {grace:g} s after {quorum} usable answers were in"
        return Reply(model, "timeout", error=error)

    async def _effort(self, model: str, asking: Asking, hedge: Asking | None) -> Reply:
        """Ask; where the seat is the last one open for too long, ask its substitute beside it."""
        after = self.rules.hedge_after
        first = asyncio.ensure_future(asking())
        if hedge is None or after is None:
            return await first
        waiting = asyncio.ensure_future(self._hedging(after))
        tasks = [first, waiting]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if first.done():
                return first.result()
            tasks.append(second := asyncio.ensure_future(hedge()))
            return await _first_good(first, second, Reply(model, "timeout", error=_slow(after)))
        finally:
            for task in tasks:
                await _end(task)

    async def _hedging(self, after: float) -> Reply:
        """Over when the seat is the last one open, and has been asked for that long."""
        await asyncio.gather(self.one_left.wait(), asyncio.sleep(after))
        return Reply("", "skipped")


async def _first_good(
    first: asyncio.Task[Reply], second: asyncio.Task[Reply], slow: Reply
) -> Reply:
    """The first usable reply of the two; the seat's own where it comes at the same time."""
    open_ = {first, second}
    while open_:
        _, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and first.result().ok:
            return first.result()
        if second.done() and second.result().ok:
            return in_place_of(first.result() if first.done() else slow, second.result())
    return in_place_of(first.result(), second.result())


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel what still runs, and see its connection closed."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


def _slow(after: float) -> str:
    return f"no answer yet after {after:g} s"


def race(layer: int, rules: Rules, usable: int = 0) -> Race:
    """The race of this layer of this run; some answers may stand from before."""
    return _races().setdefault(_key(layer), Race(rules, usable))


def over(layer: int, it: Race) -> None:
    """Forget the race when its last seat is in."""
    races = _races()
    if it.finished >= it.rules.seats or len(races) > MOST:
        races.pop(_key(layer), None)


def _races() -> dict[Any, Race]:
    races: dict[Any, Race] = loops.of_this_loop().setdefault("races", {})
    return races


def _key(layer: int) -> tuple[Any, ...]:
    info = get_runtime().execution_info
    return (info.thread_id, info.checkpoint_id, layer) if info else (layer,)
