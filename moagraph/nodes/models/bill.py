"""Usage and cost of calls: every attempt that reached a model, even if it failed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata

from moagraph.nodes.models.address import split
from moagraph.nodes.models.attempt import Attempt
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.prices import cost_usd
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.usage import estimated_usage

# Failures after the model has read the prompt: the provider charges for them.
CHARGED = {"timeout", "bad_answer", "empty"}
UNCHARGED = {
    "moa",
    "recorded",
    "scripted",
}  # no provider is called, or the inner recipe reports its own usage


@dataclass
class Attempts:
    """Every attempt that was started for one seat, with its messages."""

    begun: list[tuple[Attempt, Call, Sequence[AnyMessage]]] = field(default_factory=list)


# Set around calls that may be cancelled, as stragglers are: a cancelled task returns no reply, but
# the provider charges for what it has generated.
ATTEMPTS: ContextVar[Attempts | None] = ContextVar("attempts", default=None)


@contextmanager
def recorded_attempts() -> Iterator[Attempts]:
    """Collect every attempt that is started in this block, or in a task that it starts."""
    attempts = Attempts()
    token = ATTEMPTS.set(attempts)
    try:
        yield attempts
    finally:
        ATTEMPTS.reset(token)


def begin(attempt: Attempt, call: Call, messages: Sequence[AnyMessage]) -> None:
    """Record an attempt that is about to be sent."""
    if attempts := ATTEMPTS.get():
        attempts.begun.append((attempt, call, messages))


async def end(
    attempt: Attempt,
    call: Call,
    messages: Sequence[AnyMessage],
    usage: UsageMetadata | None,
    answered_by: str | None = None,
    kind: str = "ok",
) -> None:
    """Set the usage of an attempt: the provider's, else an estimate from both texts."""
    attempt.ended = True
    is_charged = kind not in ("refused", "rate_limited", "unreachable") or attempt.received
    # No usage is reported for a failure or a stopped stream.
    if usage is None and is_charged and split(call.model)[0] not in UNCHARGED:
        usage, attempt.estimated = estimated_usage(messages, attempt.received), True
    attempt.usage = usage
    attempt.cost_usd = await cost_usd(call, usage, answered_by)


async def with_cut_off(reply: Reply, attempts: Attempts) -> Reply:
    """Add attempts to the reply's usage that were cancelled and are not part of it yet."""
    missing = []
    for attempt, call, messages in attempts.begun:
        # `Attempt` compares by identity, so equal attempts are not mistaken for one.
        if attempt in reply.attempted:
            continue
        if not attempt.ended:
            await end(attempt, call, messages, None, kind="timeout")
        missing.append(attempt)
    return (
        with_bill(reply, billed(Reply(reply.model, "", attempts=0), missing)) if missing else reply
    )


def billed(reply: Reply, attempts: Sequence[Attempt]) -> Reply:
    """Return the reply with the total usage of its attempts."""
    counted = [attempt for attempt in attempts if attempt.usage]
    prices = [attempt.cost_usd for attempt in counted]
    return replace(
        reply,
        attempts=len(attempts),
        input_tokens=_sum(attempt.usage["input_tokens"] for attempt in counted if attempt.usage),
        output_tokens=_sum(attempt.usage["output_tokens"] for attempt in counted if attempt.usage),
        cost_usd=total_cost(prices),
        estimated=any(attempt.estimated for attempt in counted),
        attempted=tuple(attempts),
    )


def with_bill(reply: Reply, extra: Reply) -> Reply:
    """Return the reply with the usage of another call for the same seat added."""
    billable = [item for item in (reply, extra) if item.cost_usd is not None or item.input_tokens]
    return replace(
        reply,
        attempts=reply.attempts + extra.attempts,
        input_tokens=_sum(item.input_tokens for item in (reply, extra)),
        output_tokens=_sum(item.output_tokens for item in (reply, extra)),
        cost_usd=total_cost([item.cost_usd for item in billable]),
        estimated=reply.estimated or extra.estimated,
        attempted=(*reply.attempted, *extra.attempted),
    )


def total_cost(prices: Sequence[float | None]) -> float | None:
    """Return the sum; None if any price is unknown, or there is none."""
    values = [price for price in prices if price is not None]
    return sum(values) if values and len(values) == len(prices) else None


def _sum(counts: Iterable[int | None]) -> int | None:
    values = [count for count in counts if count is not None]
    return sum(values) if values else None
