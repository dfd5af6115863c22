"""Run the seats of a layer concurrently, and limit how long the last ones are waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langgraph.runtime import get_runtime

from moagraph.nodes.models import event_loops
from moagraph.nodes.models.bill import Attempts, recorded_attempts, with_bill, with_cut_off
from moagraph.nodes.models.client import in_place_of
from moagraph.nodes.models.clock import Timer, active_clock, sleep
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.policies.latency import Latency

Request = Callable[[], Awaitable[Reply]]

MAX_RACES = 1000  # before those of runs that never ended are deleted


@dataclass(frozen=True)
class Rules:
    """How long the last seats of a layer are waited for.

    Attributes:
        seats: How many seats are asked.
        quorum: How many usable answers start the grace period.
        grace: Its seconds; `"auto"` takes them from `latencies`.
        hedge_after: Seconds after which the last seat's substitutes are asked too.
        latencies: How long each model has taken before.
    """

    seats: int
    quorum: int
    grace: float | Literal["auto"] | None = None
    hedge_after: float | None = None
    latencies: Mapping[str, Latency] = field(default_factory=dict)


@dataclass
class Race:
    """One layer that is running; each of its seats calls `run`, in any order."""

    rules: Rules
    usable: int = 0
    finished: int = 0
    open: dict[str, asyncio.Task[Reply]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    last_seat: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=lambda: active_clock().time())
    grace: float | None = None
    closed: bool = False
    abandoned: bool = False

    async def run(
        self, seat: str, model: str, request: Request, substitutes: Request | None
    ) -> Reply:
        """Return the seat's reply: its own, a substitute's, or one that says it was cut off.

        Args:
            seat: The seat's number.
            model: Its model.
            request: Asks the model.
            substitutes: Asks its substitutes, if it has any.
        """
        with active_clock().running(), recorded_attempts() as attempts:
            self._update()
            if self.closed:
                return self._count(replace(self._late(model), kind="skipped"))
            started = active_clock().time()
            task = asyncio.ensure_future(self._ask(model, request, substitutes))
            self.open[seat], self.models[seat] = task, model
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                self.abandoned = True
                raise
            finally:
                await _end(task)
                del self.open[seat]
            return self._count(await self._result(task, model, started, attempts))

    async def _result(
        self, task: asyncio.Task[Reply], model: str, started: float, attempts: Attempts
    ) -> Reply:
        """Return the reply with the cost of every call that was started for it, cut off or not."""
        if task.cancelled():
            late = replace(self._late(model), seconds=active_clock().time() - started)
            return await with_cut_off(late, attempts)
        return await with_cut_off(task.result(), attempts)

    @property
    def over(self) -> bool:
        """Whether no more seats will call `run`."""
        return self.finished >= self.rules.seats or (self.abandoned and not self.open)

    def _count(self, reply: Reply) -> Reply:
        self.finished += 1
        self.usable += reply.ok
        self._update()
        return reply

    def _update(self) -> None:
        """Start the grace period at the quorum; signal when one seat is left."""
        if self.finished == self.rules.seats - 1:
            self.last_seat.set()
        if self.grace is None and self.finished and self.usable >= self.rules.quorum:
            self.grace = self._grace()
            if self.grace is not None:
                Timer(self.grace, self._close)

    def _grace(self) -> float | None:
        """Return the recipe's seconds, or what the slowest open model usually takes, if known."""
        if self.rules.grace != "auto":
            return self.rules.grace
        latencies = [self.rules.latencies.get(self.models[seat]) for seat in self.open]
        recorded = [latency for latency in latencies if latency]
        if not recorded or len(recorded) < len(latencies):
            return None
        elapsed = active_clock().time() - self.started
        return max(max(latency.p95 - elapsed, latency.median) for latency in recorded)

    def _close(self) -> None:
        self.closed = True
        for task in self.open.values():
            task.cancel()

    def _late(self, model: str) -> Reply:
        grace, quorum = self.grace or 0.0, self.rules.quorum
        error = f"cut off {grace:.3g} s after {quorum} usable answers were in"
        return Reply(model, "timeout", error=error, attempts=0)

    async def _ask(self, model: str, request: Request, substitutes: Request | None) -> Reply:
        """Ask the model; if it fails, or is the last one for too long, its substitutes."""
        started, after = active_clock().time(), self.rules.hedge_after
        tasks = [asyncio.ensure_future(request())]
        [first] = tasks
        try:
            if substitutes and after is not None:
                tasks.append(asyncio.ensure_future(self._hedge_time(after)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if first.done() and (first.result().ok or substitutes is None):
                return first.result()
            assert substitutes is not None
            tasks.append(second := asyncio.ensure_future(substitutes()))
            reason = f"no answer yet after {after or 0:g} s"
            slow = Reply(model, "timeout", error=reason, attempts=0)
            reply = await _first_good(first, second, slow)
            return replace(reply, seconds=active_clock().time() - started)
        finally:
            for task in tasks:
                await _end(task)

    async def _hedge_time(self, after: float) -> Reply:
        """Return once the seat is the last one and has been running for that long."""
        await asyncio.gather(self.last_seat.wait(), sleep(after))
        return Reply("", "skipped")


async def _first_good(
    first: asyncio.Task[Reply], second: asyncio.Task[Reply], slow: Reply
) -> Reply:
    """Return the first usable reply of the two; the seat's own if both are ready."""
    open_ = {first, second}
    while open_:
        _, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and first.result().ok:
            return with_bill(first.result(), second.result() if second.done() else slow)
        if second.done() and second.result().ok:
            return in_place_of(first.result() if first.done() else slow, second.result())
    return in_place_of(first.result(), second.result())


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task that still runs, and wait until its connection is closed."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


def join_race(layer: int, rules: Rules, usable: int = 0) -> Race:
    """Return the race of this layer of this run.

    Args:
        layer: The layer's number.
        rules: The layer's rules.
        usable: How many usable answers an earlier attempt has left.
    """
    races = _races()
    if len(races) >= MAX_RACES:
        for key in [key for key, race in races.items() if not race.open]:
            del races[key]
    return races.setdefault(_key(layer), Race(rules, usable))


def leave_race(layer: int, race: Race) -> None:
    """Delete the race once its last seat has finished or its run was abandoned."""
    if race.over and _races().get(_key(layer)) is race:
        del _races()[_key(layer)]


def _races() -> dict[Any, Race]:
    races: dict[Any, Race] = event_loops.of_this_loop().setdefault("races", {})
    return races


def _key(layer: int) -> tuple[Any, ...]:
    """Identify the run and, for a graph within another, which part of it."""
    info = get_runtime().execution_info
    if info is None:
        return (layer,)
    namespace = info.checkpoint_ns.rpartition("|")[0]
    return (info.thread_id, info.checkpoint_id, namespace, layer)
