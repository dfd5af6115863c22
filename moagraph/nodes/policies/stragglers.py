"""The seats that answer at once: what the first to finish mean for the last."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langgraph.runtime import get_runtime

from moagraph.nodes.models import event_loops
from moagraph.nodes.models.bill import Attempts, recorded_attempts, with_bill, with_cut_off
from moagraph.nodes.models.client import in_place_of
from moagraph.nodes.models.clock import Timer, active_clock, sleep
from moagraph.nodes.policies.latency import Pace
from moagraph.nodes.models.reply import Reply

Asking = Callable[[], Awaitable[Reply]]

MOST = 1000  # races kept of runs that never came to their end


@dataclass(frozen=True)
class Rules:
    """How long the last seats of a layer are waited for; `paces` is what "auto" has learned."""

    seats: int
    quorum: int
    grace: float | Literal["auto"] | None = None
    hedge_after: float | None = None
    paces: Mapping[str, Pace] = field(default_factory=dict)


@dataclass
class Race:
    """One layer under way; every seat of it comes here, in any order."""

    rules: Rules
    usable: int = 0
    finished: int = 0
    open: dict[str, asyncio.Task[Reply]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    one_left: asyncio.Event = field(default_factory=asyncio.Event)
    began: float = field(default_factory=lambda: active_clock().time())
    grace: float | None = None
    closed: bool = False
    abandoned: bool = False

    async def run(self, seat: str, model: str, asking: Asking, rest: Asking | None) -> Reply:
        """The seat's reply: its own, its substitutes', or that it came too late."""
        with active_clock().running(), recorded_attempts() as attempts:
            self._look()
            if self.closed:
                return self._in(replace(self._late(model), kind="skipped"))
            began = active_clock().time()
            task = asyncio.ensure_future(self._effort(model, asking, rest))
            self.open[seat], self.models[seat] = task, model
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                self.abandoned = True
                raise
            finally:
                await _end(task)
                del self.open[seat]
            return self._in(await self._result(task, model, began, attempts))

    async def _result(
        self, task: asyncio.Task[Reply], model: str, began: float, attempts: Attempts
    ) -> Reply:
        """The reply, with the bill of all calls that were begun for it and perhaps cut off."""
        if task.cancelled():
            late = replace(self._late(model), seconds=active_clock().time() - began)
            return await with_cut_off(late, attempts)
        return await with_cut_off(task.result(), attempts)

    @property
    def over(self) -> bool:
        """Whether no more seats will come."""
        return self.finished >= self.rules.seats or (self.abandoned and not self.open)

    def _in(self, reply: Reply) -> Reply:
        self.finished += 1
        self.usable += reply.ok
        self._look()
        return reply

    def _look(self) -> None:
        """Start the last seats' time once the quorum is in; know when one seat is left."""
        if self.finished == self.rules.seats - 1:
            self.one_left.set()
        if self.grace is None and self.finished and self.usable >= self.rules.quorum:
            self.grace = self._grace()
            if self.grace is not None:
                Timer(self.grace, self._close)

    def _grace(self) -> float | None:
        """As told; or what the slowest of the open models mostly needs, if that is known."""
        if self.rules.grace != "auto":
            return self.rules.grace
        paces = [self.rules.paces.get(self.models[seat]) for seat in self.open]
        known = [pace for pace in paces if pace]
        if not known or len(known) < len(paces):
            return None
        took = active_clock().time() - self.began
        return max(max(pace.p95 - took, pace.median) for pace in known)

    def _close(self) -> None:
        self.closed = True
        for task in self.open.values():
            task.cancel()

    def _late(self, model: str) -> Reply:
        grace, quorum = self.grace or 0.0, self.rules.quorum
        error = f"cut off {grace:.3g} s after {quorum} usable answers were in"
        return Reply(model, "timeout", error=error, attempts=0)

    async def _effort(self, model: str, asking: Asking, rest: Asking | None) -> Reply:
        """Ask; where the model fails, or is the last one open for too long, its substitutes."""
        began, after = active_clock().time(), self.rules.hedge_after
        tasks = [asyncio.ensure_future(asking())]
        [first] = tasks
        try:
            if rest and after is not None:
                tasks.append(asyncio.ensure_future(self._hedging(after)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if first.done() and (first.result().ok or rest is None):
                return first.result()
            assert rest is not None
            tasks.append(second := asyncio.ensure_future(rest()))
            told = f"no answer yet after {after or 0:g} s"
            slow = Reply(model, "timeout", error=told, attempts=0)
            reply = await _first_good(first, second, slow)
            return replace(reply, seconds=active_clock().time() - began)
        finally:
            for task in tasks:
                await _end(task)

    async def _hedging(self, after: float) -> Reply:
        """Over when the seat is the last one open, and has been asked for that long."""
        await asyncio.gather(self.one_left.wait(), sleep(after))
        return Reply("", "skipped")


async def _first_good(
    first: asyncio.Task[Reply], second: asyncio.Task[Reply], slow: Reply
) -> Reply:
    """The first usable reply of the two; the seat's own where it comes at the same time."""
    open_ = {first, second}
    while open_:
        _, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and first.result().ok:
            return with_bill(first.result(), second.result() if second.done() else slow)
        if second.done() and second.result().ok:
            return in_place_of(first.result() if first.done() else slow, second.result())
    return in_place_of(first.result(), second.result())


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel what still runs, and see its connection closed."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


def race(layer: int, rules: Rules, usable: int = 0) -> Race:
    """The race of this layer of this run; some answers may stand from before."""
    races = _races()
    if len(races) >= MOST:
        for key in [key for key, one in races.items() if not one.open]:
            del races[key]
    return races.setdefault(_key(layer), Race(rules, usable))


def leave(layer: int, it: Race) -> None:
    """Forget the race when its last seat is in, or its run was given up."""
    if it.over and _races().get(_key(layer)) is it:
        del _races()[_key(layer)]


def _races() -> dict[Any, Race]:
    races: dict[Any, Race] = event_loops.of_this_loop().setdefault("races", {})
    return races


def _key(layer: int) -> tuple[Any, ...]:
    """The run and, where the graph is a part of another, which part."""
    info = get_runtime().execution_info
    if info is None:
        return (layer,)
    around = info.checkpoint_ns.rpartition("|")[0]
    return (info.thread_id, info.checkpoint_id, around, layer)
