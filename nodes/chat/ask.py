"""Ask one model once: every attempt, its limits and its bill. Failures come back as replies."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from nodes.chat.call import Call
from nodes.chat.failures import Failure, failure
from nodes.chat.limits import paced, settle, within_limits
from nodes.chat.models import model
from nodes.chat.prices import cost_usd
from nodes.chat.providers import secret, speaks_openai
from nodes.chat.reply import Reply
from nodes.errors import MoaError


async def ask(call: Call, messages: Sequence[AnyMessage], slots: int = 1) -> Reply:
    """The model's reply, or that of the first substitute that has one."""
    reply = await ask_one(call, messages, slots)
    for other in call.substitutes:
        if reply.ok:
            break
        reply = in_place_of(reply, await ask_one(other, messages, slots))
    return reply


def in_place_of(first: Reply, other: Reply) -> Reply:
    """The substitute's reply under the name of the one that was asked first, and both bills."""
    error = f"{first.error}; {other.model}: {other.error}" if other.error else None
    return replace(
        other,
        model=first.model,
        kind="substituted" if other.ok else first.kind,
        error=error,
        answered_by=other.model if other.ok else None,
        attempts=first.attempts + other.attempts,
        seconds=first.seconds + other.seconds,
    )


async def ask_one(call: Call, messages: Sequence[AnyMessage], slots: int = 1) -> Reply:
    """The model's own reply within the call's timeout, all attempts included."""
    async with within_limits(call):
        return await _ask_one(call, messages, slots)


async def _ask_one(call: Call, messages: Sequence[AnyMessage], slots: int) -> Reply:
    began = time.monotonic()
    replies: list[Reply] = []
    try:
        async with asyncio.timeout(call.timeout):
            async for reply in _attempts(call, messages, slots, began):
                replies.append(reply)
    except TimeoutError:
        before = f" (before that: {replies[-1].error})" if replies else ""
        error = f"no answer within {call.timeout:g} s{before}"
        replies.append(Reply(call.model, "timeout", error=error))
    took = time.monotonic() - began
    return replace(replies[-1], attempts=len(replies), seconds=took)


async def _attempts(
    call: Call, messages: Sequence[AnyMessage], slots: int, began: float
) -> AsyncIterator[Reply]:
    """One reply after another, until one is good, none can be, or the time is not worth it."""
    for attempt in range(1, call.attempts + 1):
        result = await _attempt(call, messages, slots)
        if isinstance(result, Reply):
            yield result
            return
        yield Reply(call.model, result.kind, error=result.error)
        pause = result.wait(attempt)
        left = call.timeout - (time.monotonic() - began)
        if not result.again or attempt == call.attempts or pause > left:
            return
        await asyncio.sleep(pause)


async def _attempt(call: Call, messages: Sequence[AnyMessage], slots: int) -> Reply | Failure:
    taken = await paced(call, messages)
    try:
        chat = await model(call, slots)
        message = await chat.ainvoke(list(messages), **call.extras)
    except MoaError as error:
        return Failure("refused", str(error))
    except Exception as error:  # what providers' clients raise has no common base
        return failure(error, secret(call))
    usage = message.usage_metadata
    settle(call, taken, usage["total_tokens"] if usage else None)
    answered_by = message.response_metadata.get("model_name")
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
        message=message,
    )
