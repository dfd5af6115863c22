"""Ask one model: with its substitutes, its limits and its bill. Failures come back as replies."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import AnyMessage
from langgraph.errors import GraphBubbleUp

from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.bill import with_bill as with_bill
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.egress import withheld
from moagraph.nodes.models.failures import internal_failure
from moagraph.nodes.models.interpret import interpret
from moagraph.nodes.models.limits import within_limits
from moagraph.nodes.models.outgoing import BuildMessages
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.retries import ask_with_retries
from moagraph.nodes.storage.answer_cache import keep, kept


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


async def ask_one(call: Call, heard: BuildMessages, slots: int = 1, sample: str | None = None) -> Reply:
    """The model's own reply to what it is sent, or why it cannot be sent that.

    Whatever goes wrong is a reply: an exception would cancel the calls of the other seats, which
    are paid. Only a cancellation and the engine's own signals pass.
    """
    try:
        told = await heard(call)
        reply = await withheld(call, told.messages)
        reply = reply or await _ask_once(call, told.messages, slots, sample)
        return replace(reply, notes=told.notes)
    except GraphBubbleUp:
        raise
    except MoaError as error:
        return Reply(call.model, "refused", error=str(error), attempts=0)
    except Exception as error:
        return Reply(call.model, "bad_answer", error=internal_failure(error))


async def _ask_once(
    call: Call, messages: Sequence[AnyMessage], slots: int, sample: str | None
) -> Reply:
    """The model's own reply within the call's timeout, or what it said to the same before."""
    if sample and (message := await kept(call, messages, sample)):
        said = interpret(call, message)
        return replace(said, cached=True, attempts=0, input_tokens=0, output_tokens=0, cost_usd=0.0)
    async with within_limits(call):
        reply = await ask_with_retries(call, messages, slots)
    if sample and reply.ok and reply.message:
        await keep(call, messages, sample, reply.message)
    return reply
