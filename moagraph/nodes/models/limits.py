"""How much is asked of a server at once, by all recipes and threads of this process."""

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

_gates: dict[str, "Gate"] = {}
_buckets: dict[tuple[str, int], "Bucket"] = {}
_limiters: dict[tuple[str, float], InMemoryRateLimiter] = {}

PAUSE = 0.01  # callers are on several loops, so they look again instead of waking each other


@dataclass
class Gate:
    """Lets calls through one by one or a few at once; of those that wait, the same model first."""

    running: int = 0
    model: str | None = None
    waiting: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @asynccontextmanager
    async def passed(self, model: str, most: int) -> AsyncIterator[None]:
        """Wait for a place, and give it back."""
        with self.lock:
            self.waiting.append(model)
        try:
            await asyncio.sleep(0)  # those who come at the same moment are all heard first
            while not self._let(model, most):
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

    def _let(self, model: str, most: int) -> bool:
        with self.lock:
            first = self.model if self.model in self.waiting else self.waiting[0]
            if self.running >= most or model != first:
                return False
            self.waiting.remove(model)
            self.running += 1
            self.model = model
            return True


@dataclass
class Bucket:
    """Tokens that may be sent: it fills as time goes by, and may be overdrawn by one call."""

    a_minute: int
    level: float = 0.0
    seen: float = field(default_factory=monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Begin full."""
        self.level = float(self.a_minute)

    async def take(self, tokens: int) -> None:
        """Wait until some are there, and take as many as the call needs."""
        while (lacking := self._try(tokens)) > 0:
            await asyncio.sleep(lacking * 60 / self.a_minute)

    def give(self, tokens: int) -> None:
        """Put back what was taken too much, or take what was not foreseen."""
        with self.lock:
            self.level += tokens

    def _try(self, tokens: int) -> float:
        with self.lock:
            now = monotonic()
            filled = self.level + (now - self.seen) * self.a_minute / 60
            self.level, self.seen = min(float(self.a_minute), filled), now
            wanted = min(tokens, self.a_minute)
            if self.level < wanted:
                return wanted - self.level
            self.level -= tokens
            return 0.0


@asynccontextmanager
async def within_limits(call: Call) -> AsyncIterator[None]:
    """A place at the call's server, for all of its attempts."""
    if call.limits is None or (call.limits.max_concurrency is None and not call.limits.alone):
        yield
        return
    if call.limits.alone:
        place = gate("this machine").passed(call.model, 1)
    else:  # whose turn it is does not hang on the model: a server has loaded them all
        place = gate(server(call)).passed("", _most(call.limits))
    async with place:
        yield


async def paced(call: Call, messages: Sequence[AnyMessage]) -> int:
    """Wait for this attempt's turn; the tokens that were taken for it."""
    if call.limits is None:
        return 0
    if call.limits.requests_per_second:
        await limiter(server(call), call.limits.requests_per_second).aacquire()
    if not call.limits.tokens_per_minute:
        return 0
    tokens = count_tokens_approximately(messages) + (call.max_tokens or 0)
    await bucket(server(call), call.limits.tokens_per_minute).take(tokens)
    return tokens


def settle(call: Call, taken: int, used: int | None) -> None:
    """Correct what was taken by what the server counted."""
    if taken and used is not None and call.limits and call.limits.tokens_per_minute:
        bucket(server(call), call.limits.tokens_per_minute).give(taken - used)


def server(call: Call) -> str:
    """What shares a limit: the provider and its address."""
    return f"{split(call.model)[0]} {address(call)}"


def gate(where: str) -> Gate:
    """The gate of a server; two threads that come first get the same one."""
    return _gates.setdefault(where, Gate())


def bucket(where: str, a_minute: int) -> Bucket:
    """The tokens of a server."""
    return _buckets.setdefault((where, a_minute), Bucket(a_minute))


def limiter(where: str, a_second: float) -> InMemoryRateLimiter:
    """The requests of a server."""
    new = InMemoryRateLimiter(
        requests_per_second=a_second, check_every_n_seconds=PAUSE, max_bucket_size=max(1, a_second)
    )
    return _limiters.setdefault((where, a_second), new)


def _most(limits: Limits) -> int:
    return limits.max_concurrency or 1
