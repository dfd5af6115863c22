"""Rate and concurrency limits of servers, shared by all recipes and threads of this process."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from langchain_core.messages import AnyMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.rate_limiters import InMemoryRateLimiter

from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call, Limits
from moagraph.nodes.models.providers import address

_gates: dict[str, "CallGate"] = {}
_buckets: dict[tuple[str, int], "Bucket"] = {}
_limiters: dict[tuple[str, float], InMemoryRateLimiter] = {}

PAUSE = 0.01  # callers run on several loops and cannot wake each other, so they poll


@dataclass
class CallGate:
    """Limits the calls that run at once; waiting calls of the current model go first.

    A local server would otherwise load and unload its models in turn.
    """

    running: int = 0
    model: str | None = None
    waiting: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @asynccontextmanager
    async def passed(self, model: str, max_running: int) -> AsyncIterator[None]:
        """Wait for a free slot, and release it at the end."""
        with self.lock:
            self.waiting.append(model)
        try:
            await asyncio.sleep(0)  # let calls that start together enter the queue first
            while not self._let(model, max_running):
                await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            with self.lock:
                self.waiting.remove(model)
            raise
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1

    def _let(self, model: str, max_running: int) -> bool:
        with self.lock:
            # Under the lock: callers on several threads must not both take the last slot.
            first = self.model if self.model in self.waiting else self.waiting[0]
            if self.running >= max_running or model != first:
                return False
            self.waiting.remove(model)
            self.running += 1
            self.model = model
            return True


@dataclass
class Bucket:
    """A token bucket, which one call may overdraw: it may need more than a minute's tokens."""

    a_minute: int
    level: float = 0.0
    seen: float = field(default_factory=monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Fill the bucket."""
        self.level = float(self.a_minute)

    async def take(self, tokens: int) -> None:
        """Wait for tokens, and take as many as the call needs."""
        while (lacking := self._try(tokens)) > 0:
            await asyncio.sleep(lacking * 60 / self.a_minute)

    def give(self, tokens: int) -> None:
        """Return tokens, or take more if the number is negative."""
        with self.lock:
            self.level += tokens

    def _try(self, tokens: int) -> float:
        with self.lock:
            now = monotonic()
            filled = self.level + (now - self.seen) * self.a_minute / 60
            self.level, self.seen = min(float(self.a_minute), filled), now
            needed = min(tokens, self.a_minute)
            if self.level < needed:
                return needed - self.level
            self.level -= tokens
            return 0.0


@asynccontextmanager
async def within_limits(call: Call) -> AsyncIterator[None]:
    """Hold a slot of the call's server for all of its attempts."""
    if call.limits is None or (call.limits.max_concurrency is None and not call.limits.alone):
        yield
        return
    if call.limits.alone:
        slot = gate("this machine").passed(call.model, 1)
    else:  # a remote server has all models loaded, so their order does not matter
        slot = gate(server(call)).passed("", _max_concurrency(call.limits))
    async with slot:
        yield


async def paced(call: Call, messages: Sequence[AnyMessage]) -> int:
    """Wait for the rate limits; return the tokens that were reserved for the attempt."""
    if call.limits is None:
        return 0
    if call.limits.requests_per_second:
        await limiter(server(call), call.limits.requests_per_second).aacquire()
    if not call.limits.tokens_per_minute:
        return 0
    tokens = count_tokens_approximately(messages) + (call.max_tokens or 0)
    await bucket(server(call), call.limits.tokens_per_minute).take(tokens)
    return tokens


def settle(call: Call, reserved: int, used: int | None) -> None:
    """Correct the reserved tokens by the number that the server reports."""
    if reserved and used is not None and call.limits and call.limits.tokens_per_minute:
        bucket(server(call), call.limits.tokens_per_minute).give(reserved - used)


def server(call: Call) -> str:
    """Return the key of the limits: the provider and its address."""
    return f"{split(call.model)[0]} {address(call)}"


def gate(server_name: str) -> CallGate:
    """Return the gate of a server; `setdefault` is atomic, so two threads get the same one."""
    return _gates.setdefault(server_name, CallGate())


def bucket(server_name: str, a_minute: int) -> Bucket:
    """Return the token bucket of a server."""
    return _buckets.setdefault((server_name, a_minute), Bucket(a_minute))


def limiter(server_name: str, a_second: float) -> InMemoryRateLimiter:
    """Return the request limiter of a server."""
    new = InMemoryRateLimiter(
        requests_per_second=a_second, check_every_n_seconds=PAUSE, max_bucket_size=max(1, a_second)
    )
    return _limiters.setdefault((server_name, a_second), new)


def _max_concurrency(limits: Limits) -> int:
    return limits.max_concurrency or 1
