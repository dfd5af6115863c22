"""Call one model, with its fallbacks, limits and usage. Failures are returned as replies."""

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
from moagraph.nodes.storage.answer_cache import find_answer, store_answer


async def ask(
    call: Call, build_messages: BuildMessages, slots: int = 1, sample: str | None = None
) -> Reply:
    """Call the model, and its fallbacks in order if it fails.

    Args:
        call: The model and its settings.
        build_messages: Builds the messages for a model, whose context window may differ.
        slots: How many calls of the recipe may run at once.
        sample: The key of the answer cache; None to bypass it.
    """
    reply = await ask_one(call, build_messages, slots, sample)
    if reply.ok or not call.fallbacks:
        return reply
    return in_place_of(reply, await ask_instead(call, build_messages, slots, sample))


async def ask_instead(
    call: Call, build_messages: BuildMessages, slots: int = 1, sample: str | None = None
) -> Reply:
    """Call the fallbacks in order until one succeeds."""
    first, *substitutes = call.substitutes
    reply = await ask_one(first, build_messages, slots, sample)
    for substitute in substitutes:
        if reply.ok:
            break
        reply = in_place_of(reply, await ask_one(substitute, build_messages, slots, sample))
    return reply


def in_place_of(first: Reply, substitute: Reply) -> Reply:
    """Combine a failed reply and its substitute's: the seat's model name, the usage of both."""
    error = f"{first.error}; {substitute.model}: {substitute.error}" if substitute.error else None
    both = with_bill(substitute, first)
    return replace(
        both,
        model=first.model,
        kind="substituted" if substitute.ok else first.kind,
        error=error,
        answered_by=_full_name(substitute) if substitute.ok else None,
        seconds=first.seconds + substitute.seconds,
    )


def _full_name(substitute: Reply) -> str:
    """Return the substitute's full name, unless its server reports that another model answered."""
    itself = substitute.model.endswith(substitute.answered_by or "")
    return substitute.model if itself else str(substitute.answered_by)


async def ask_one(
    call: Call, build_messages: BuildMessages, slots: int = 1, sample: str | None = None
) -> Reply:
    """Call the model itself, without fallbacks.

    Every failure becomes a reply: an exception would cancel the calls of the other seats, which
    are paid for. Only a cancellation and LangGraph's own signals pass.
    """
    try:
        outgoing = await build_messages(call)
        reply = await withheld(call, outgoing.messages)
        reply = reply or await _ask_once(call, outgoing.messages, slots, sample)
        return replace(reply, notes=outgoing.notes)
    except GraphBubbleUp:
        raise
    except MoaError as error:
        return Reply(call.model, "refused", error=str(error), attempts=0)
    except Exception as error:
        return Reply(call.model, "bad_answer", error=internal_failure(error))


async def _ask_once(
    call: Call, messages: Sequence[AnyMessage], slots: int, sample: str | None
) -> Reply:
    """Return the cached reply to the same messages, or call the model within its timeout."""
    if sample and (message := await find_answer(call, messages, sample)):
        cached_reply = interpret(call, message)
        return replace(
            cached_reply, cached=True, attempts=0, input_tokens=0, output_tokens=0, cost_usd=0.0
        )
    async with within_limits(call):
        reply = await ask_with_retries(call, messages, slots)
    if sample and reply.ok and reply.message:
        await store_answer(call, messages, sample, reply.message)
    return reply
