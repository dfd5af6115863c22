"""Call one model with retries, within the call's timeout, and add up the usage of all attempts."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.errors import GraphBubbleUp

from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.attempt import ATTEMPT, MAX_RESPONSE_MB, MEGABYTE, Attempt
from moagraph.nodes.models.bill import UNCHARGED, begin, billed, end
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.clock import Deadline, active_clock, deadline, sleep
from moagraph.nodes.models.factory import model
from moagraph.nodes.models.failures import Failure, failure
from moagraph.nodes.models.interpret import INSIDE, interpret
from moagraph.nodes.models.limits import paced, settle
from moagraph.nodes.models.providers import secret
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.streaming import as_heard
from moagraph.nodes.models.usage import usage_of

SLACK = 2  # times `max_tokens`: a stream is stopped by an estimate, which may be off by this factor
LEAST = 64  # tokens that every stream is allowed


async def ask_with_retries(call: Call, messages: Sequence[AnyMessage], slots: int) -> Reply:
    """Call the model until it answers, within the call's timeout.

    Args:
        call: The model and its settings.
        messages: The messages to send.
        slots: How many calls of the recipe may run at once.

    Returns:
        The reply, with the usage of all attempts.
    """
    clock, attempts = active_clock(), list[Attempt]()
    reply = Reply(call.model, "timeout", attempts=0)
    with clock.running():
        began = clock.time()
        try:
            async with deadline(call.timeout) as limit:
                replies = _replies(call, messages, slots, limit, attempts)
                # Close the generator here: otherwise its call would run on after a timeout.
                async with aclosing(replies):
                    # `reply` outlives the loop: the message of a timeout names the last failure.
                    async for reply in replies:  # noqa: B007
                        pass
        except TimeoutError:
            before = f" (before that: {reply.error})" if reply.error else ""
            error = f"no answer within {call.timeout:g} s{before}"
            reply = Reply(call.model, "timeout", error=error)
        seconds = clock.time() - began
    for attempt in attempts:
        if not attempt.ended:
            await end(attempt, call, messages, None, kind=reply.kind)
    return replace(_with_bill(reply, attempts), seconds=seconds)


def _with_bill(reply: Reply, attempts: Sequence[Attempt]) -> Reply:
    """Set the usage; a nested recipe has reported its own."""
    if reply.message and INSIDE in reply.message.response_metadata:
        return replace(reply, attempted=tuple(attempts))
    return billed(reply, attempts)


async def _replies(
    call: Call,
    messages: Sequence[AnyMessage],
    slots: int,
    limit: Deadline,
    attempts: list[Attempt],
) -> AsyncGenerator[Reply]:
    """Yield a reply per attempt, until one succeeds, a retry is pointless, or time is too short."""
    for number in range(1, call.attempts + 1):
        reserved = await _turn(call, messages, slots, limit)
        attempt = Attempt(_max_bytes(call), _max_tokens(call))
        attempts.append(attempt)
        begin(attempt, call, messages)
        result = await _attempt(call, messages, slots, attempt)
        if isinstance(result, AIMessage):
            yield await _reply(call, messages, attempt, result, reserved)
            return
        await end(attempt, call, messages, None, kind=result.kind)
        yield Reply(call.model, result.kind, error=result.error)
        pause = result.wait(number)
        # Waiting beyond the timeout could only end in a timeout.
        if not result.again or number == call.attempts or pause > limit.remaining:
            return
        await sleep(pause)


async def _turn(call: Call, messages: Sequence[AnyMessage], slots: int, limit: Deadline) -> int:
    """Wait for the rate limits and build the client, outside of the model's time."""
    with limit.paused():
        reserved = await paced(call, messages)
        with suppress(Exception):  # the attempt raises the same error, and reports it
            await model(call, slots)
    return reserved


async def _attempt(
    call: Call, messages: Sequence[AnyMessage], slots: int, attempt: Attempt
) -> AIMessage | Failure:
    """Return the model's message or the failure; only LangGraph's own signals pass."""
    token = ATTEMPT.set(attempt)
    try:
        chat = as_heard(await model(call, slots), streamed=call.share is not None)
        message = await chat.ainvoke(list(messages), **call.extras)
        if not isinstance(message, AIMessage):
            return Failure("bad_answer", f"the answer is no message of a model: {message.type}")
        return message
    except GraphBubbleUp:
        raise
    except MoaError as error:
        return Failure("refused", str(error))
    except Exception as error:  # the providers' exceptions share no base class
        return failure(error, secret(call))
    finally:
        ATTEMPT.reset(token)


async def _reply(
    call: Call, messages: Sequence[AnyMessage], attempt: Attempt, message: AIMessage, reserved: int
) -> Reply:
    """Return the reply for a message, after setting the attempt's usage."""
    reply = interpret(call, message)
    if reply.message and (inside := reply.message.response_metadata.get(INSIDE)):
        return replace(reply, attempts=inside["calls"], cost_usd=inside["cost_usd"])
    usage = reply.message.usage_metadata if reply.message else None
    if split(call.model)[0] not in UNCHARGED:
        usage = usage_of(usage, message.text)
    await end(attempt, call, messages, usage, reply.answered_by, reply.kind)
    settle(call, reserved, attempt.usage["total_tokens"] if attempt.usage else None)
    return replace(reply, warnings=[*_stopped(call, attempt), *reply.warnings])


def _stopped(call: Call, attempt: Attempt) -> list[str]:
    """Return the warning about a stream that was stopped early, if it was."""
    if not attempt.stopped:
        return []
    limit = f"`max_tokens` = {call.max_tokens}" if call.max_tokens else "the budget"
    return [f"stopped after about {attempt.max_tokens} tokens: the model went on beyond {limit}"]


def _max_bytes(call: Call) -> int:
    return int((call.max_response_mb or MAX_RESPONSE_MB) * MEGABYTE)


def _max_tokens(call: Call) -> int | None:
    """Return the tokens after which a stream is stopped: by `max_tokens`, else by the budget."""
    if call.max_tokens:
        return SLACK * call.max_tokens + LEAST
    return None if call.share is None else max(call.share, LEAST)
