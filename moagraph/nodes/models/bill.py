"""What calls cost: each attempt that reached a model, also one that failed or was cut off."""

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

# Failures behind which a model has read the prompt: the provider charges for them.
CHARGED = {"timeout", "bad_answer", "empty"}
UNCHARGED = {"moa", "recorded", "scripted"}  # they ask no provider, or bring their own bill


@dataclass
class Attempts:
    """Every attempt that was begun for one seat, with what was sent in it."""

    begun: list[tuple[Attempt, Call, Sequence[AnyMessage]]] = field(default_factory=list)


# Set around calls that may be cut off: what they took is then still known.
ATTEMPTS: ContextVar[Attempts | None] = ContextVar("attempts", default=None)


@contextmanager
def recorded_attempts() -> Iterator[Attempts]:
    """Note every attempt that is begun in here, or in a task that is started in here."""
    attempts = Attempts()
    token = ATTEMPTS.set(attempts)
    try:
        yield attempts
    finally:
        ATTEMPTS.reset(token)


def begin(attempt: Attempt, call: Call, messages: Sequence[AnyMessage]) -> None:
    """Note an attempt that is about to be sent."""
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
    """Bill the attempt by what the provider reports, or else by what was sent and has arrived."""
    attempt.ended = True
    is_charged = kind not in ("refused", "rate_limited", "unreachable") or attempt.received
    if usage is None and is_charged and split(call.model)[0] not in UNCHARGED:
        usage, attempt.estimated = estimated_usage(messages, attempt.received), True
    attempt.usage = usage
    attempt.cost_usd = await cost_usd(call, usage, answered_by)


async def with_cut_off(reply: Reply, attempts: Attempts) -> Reply:
    """The reply, and in its bill what was begun for it and is not in it yet."""
    missing = []
    for attempt, call, messages in attempts.begun:
        if attempt in reply.attempted:
            continue
        if not attempt.ended:
            await end(attempt, call, messages, None, kind="timeout")
        missing.append(attempt)
    return with_bill(reply, billed(Reply(reply.model, "", attempts=0), missing)) if missing else reply


def billed(reply: Reply, attempts: Sequence[Attempt]) -> Reply:
    """The reply with what these attempts took together."""
    counted = [attempt for attempt in attempts if attempt.usage]
    prices = [attempt.cost_usd for attempt in counted]
    return replace(
        reply,
        attempts=len(attempts),
        input_tokens=_sum(one.usage["input_tokens"] for one in counted if one.usage),
        output_tokens=_sum(one.usage["output_tokens"] for one in counted if one.usage),
        cost_usd=total_cost(prices),
        estimated=any(attempt.estimated for attempt in counted),
        attempted=tuple(attempts),
    )


def with_bill(reply: Reply, other: Reply) -> Reply:
    """The reply, and what another call for the same seat took beside it."""
    known = [one for one in (reply, other) if one.cost_usd is not None or one.input_tokens]
    return replace(
        reply,
        attempts=reply.attempts + other.attempts,
        input_tokens=_sum(one.input_tokens for one in (reply, other)),
        output_tokens=_sum(one.output_tokens for one in (reply, other)),
        cost_usd=total_cost([one.cost_usd for one in known]),
        estimated=reply.estimated or other.estimated,
        attempted=(*reply.attempted, *other.attempted),
    )


def total_cost(prices: Sequence[float | None]) -> float | None:
    """The sum; unknown where one of them is, or there is none."""
    known = [price for price in prices if price is not None]
    return sum(known) if known and len(known) == len(prices) else None


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
