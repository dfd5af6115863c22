"""Ask one model once: every attempt, its limits and its bill. Failures come back as replies."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from moagraph.nodes.storage.answer_cache import keep, kept
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.failures import Failure, failure
from moagraph.nodes.models.egress import withheld
from moagraph.nodes.models.streaming import as_heard
from moagraph.nodes.models.limits import paced, settle, within_limits
from moagraph.nodes.models.factory import model
from moagraph.nodes.models.prices import cost_usd
from moagraph.nodes.models.providers import secret, speaks_openai
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.outgoing import BuildMessages
from moagraph.nodes.errors import MoaError


async def ask(call: Call, heard: BuildMessages, slots: int = 1, sample: str | None = None) -> Reply:
    """The model's reply, or that of the first substitute that has one."""
    reply = await ask_one(call, heard, slots, sample)
    if reply.ok or not call.fallbacks:
        return reply
    return in_place_of(reply, await ask_instead(call, heard, slots, sample))


async def ask_instead(
    call: Call, heard: BuildMessages, slots: int = 1, sample: str | None = None
) -> Reply:
    """The reply of the call's first substitute that has one."""
    first, *others = call.substitutes
    reply = await ask_one(first, heard, slots, sample)
    for other in others:
        if reply.ok:
            break
        reply = in_place_of(reply, await ask_one(other, heard, slots, sample))
    return reply


def in_place_of(first: Reply, other: Reply) -> Reply:
    """The substitute's reply under the name of the one that was asked first, and both bills."""
    error = f"{first.error}; {other.model}: {other.error}" if other.error else None
    both = with_bill(other, first)
    return replace(
        both,
        model=first.model,
        kind="substituted" if other.ok else first.kind,
        error=error,
        answered_by=_answered(other) if other.ok else None,
        seconds=first.seconds + other.seconds,
    )


def _answered(other: Reply) -> str:
    """The substitute by its full name, unless its server says that yet another one answered."""
    itself = other.model.endswith(other.answered_by or "")
    return other.model if itself else str(other.answered_by)


def with_bill(reply: Reply, other: Reply) -> Reply:
    """The reply, and what another call for the same seat took beside it."""
    known = [one for one in (reply, other) if one.cost_usd is not None or one.input_tokens]
    prices = [one.cost_usd for one in known if one.cost_usd is not None]
    return replace(
        reply,
        attempts=reply.attempts + other.attempts,
        input_tokens=_sum(reply.input_tokens, other.input_tokens),
        output_tokens=_sum(reply.output_tokens, other.output_tokens),
        cost_usd=sum(prices) if prices and len(prices) == len(known) else None,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


async def ask_one(call: Call, heard: BuildMessages, slots: int = 1, sample: str | None = None) -> Reply:
    """The model's own reply to what it is sent, or why it cannot be sent that."""
    try:
        told = await heard(call)
    except MoaError as error:
        return Reply(call.model, "refused", error=str(error), attempts=0)
    reply = await withheld(call, told.messages)
    reply = reply or await _ask_once(call, told.messages, slots, sample)
    return replace(reply, notes=told.notes)


async def _ask_once(
    call: Call, messages: Sequence[AnyMessage], slots: int, sample: str | None
) -> Reply:
    """The model's own reply within the call's timeout, or what it said to the same before."""
    if sample and (message := await kept(call, messages, sample)):
        said = read(call, message)
        return replace(said, cached=True, attempts=0, input_tokens=0, output_tokens=0, cost_usd=0.0)
    async with within_limits(call):
        reply = await _ask_one(call, messages, slots)
    if sample and reply.ok and reply.message:
        await keep(call, messages, sample, reply.message)
    return reply


async def _ask_one(call: Call, messages: Sequence[AnyMessage], slots: int) -> Reply:
    began = time.monotonic()
    replies: list[Reply] = []
    try:
        async with asyncio.timeout(call.timeout) as clock:
            async for reply in _attempts(call, messages, slots, clock):
                replies.append(reply)
    except TimeoutError:
        before = f" (before that: {replies[-1].error})" if replies else ""
        error = f"no answer within {call.timeout:g} s{before}"
        replies.append(Reply(call.model, "timeout", error=error))
    took = time.monotonic() - began
    attempts = sum(reply.attempts for reply in replies)
    return replace(replies[-1], attempts=attempts, seconds=took)


async def _attempts(
    call: Call, messages: Sequence[AnyMessage], slots: int, clock: asyncio.Timeout
) -> AsyncIterator[Reply]:
    """One reply after another, until one is good, none can be, or the time is not worth it."""
    for attempt in range(1, call.attempts + 1):
        taken = await _turn(call, messages, slots, clock)
        result = await _attempt(call, messages, slots, taken)
        if isinstance(result, Reply):
            yield result
            return
        yield Reply(call.model, result.kind, error=result.error)
        pause = result.wait(attempt)
        if not result.again or attempt == call.attempts or pause > _left(clock):
            return
        await asyncio.sleep(pause)


async def _turn(
    call: Call, messages: Sequence[AnyMessage], slots: int, clock: asyncio.Timeout
) -> int:
    """Wait as the server's limits say, and build the client: that time is not the model's."""
    left = _left(clock)
    clock.reschedule(None)
    taken = await paced(call, messages)
    with suppress(Exception):  # the attempt meets it again, and tells
        await model(call, slots)
    clock.reschedule(asyncio.get_running_loop().time() + left)
    return taken


def _left(clock: asyncio.Timeout) -> float:
    when = clock.when()
    assert when is not None
    return when - asyncio.get_running_loop().time()


async def _attempt(
    call: Call, messages: Sequence[AnyMessage], slots: int, taken: int
) -> Reply | Failure:
    try:
        chat = await model(call, slots)
        message = await as_heard(chat).ainvoke(list(messages), **call.extras)
    except MoaError as error:
        return Failure("refused", str(error))
    except Exception as error:  # what providers' clients raise has no common base
        return failure(error, secret(call))
    usage = message.usage_metadata
    settle(call, taken, usage["total_tokens"] if usage else None)
    answered_by = message.response_metadata.get("model_name")
    if inside := message.response_metadata.get("moa"):  # a whole recipe, and its own bill
        bill = {"attempts": inside["calls"], "cost_usd": inside["cost_usd"]}
        return replace(read(call, message), **bill)
    cost = await cost_usd(call, usage, answered_by)
    return replace(read(call, message), cost_usd=cost)


def read(call: Call, message: AIMessage) -> Reply:
    """What the message says, and whether it can be used."""
    told: dict[str, Any] = message.response_metadata
    finish = told.get("finish_reason")
    usage = message.usage_metadata
    text = message.text.encode("utf-8", "replace").decode("utf-8")
    kind, error = "ok", None
    if finish == "content_filter":
        kind, error = "refused", "the provider's content filter withheld the answer"
    elif finish is None and speaks_openai(call):
        kind, error = "bad_answer", "the answer breaks off: it ends without a finish reason"
    elif not text.strip() and not message.tool_calls:
        kind, error = "empty", f"the answer is empty (finish reason {finish!r})"
    elif finish == "length":
        kind = "truncated"
    return Reply(
        model=call.model,
        kind=kind,
        text=text if error is None else "",
        error=error,
        answered_by=told.get("model_name"),
        input_tokens=usage["input_tokens"] if usage else None,
        output_tokens=usage["output_tokens"] if usage else None,
        logprob=_logprob(told),
        message=message,
    )


def _logprob(told: dict[str, Any]) -> float | None:
    """How likely the model held a token of its answer, on average."""
    tokens = (told.get("logprobs") or {}).get("content") or []
    each = [float(token["logprob"]) for token in tokens]
    return round(sum(each) / len(each), 4) if each else None
