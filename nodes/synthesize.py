"""Aggregate-and-Synthesize: one model writes one answer from all that it reads."""

from typing import Any, Literal

from langchain_core.messages import AIMessage
from pydantic import Field

from nodes.budget import within
from nodes.chat.ask import ask
from nodes.chat.call import Call
from nodes.chat.reply import Reply
from nodes.errors import StepFailed
from nodes.fence import Reading
from nodes.hearing import hearing
from nodes.state import Place, State, passed, sample, settings, widest


class Synthesize(Call, Reading):
    """Which model writes, and by which prompt."""

    step: Literal["synthesize"] = "synthesize"
    prompt: str = Field("synthesize", description="A prompt's name, a path, or the text.")


async def synthesize(state: State, place: Place) -> dict[str, Any]:
    """Ask the aggregator; at the end of a recipe, its answer is the turn's."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Synthesize.model_validate(settings(state, place))
    slots = widest(state["recipe"])
    reply = await ask(within(state, step), hearing(state, place), slots, sample(state, place))
    if not reply.ok:
        message = f"`{place.node}` got no answer from `{step.model}`: {reply.error}"
        raise StepFailed(message, {**reply.record(), "finish": _finish(reply)})
    update: dict[str, Any] = {"steps": {place.node: reply.record()}}
    return {**update, "messages": [_message(reply)]} if place.last else update


def _finish(reply: Reply) -> str | None:
    return reply.message.response_metadata.get("finish_reason") if reply.message else None


def _message(reply: Reply) -> AIMessage:
    """The answer as the conversation keeps it, under the id that its tokens streamed with."""
    said = reply.message
    return AIMessage(
        reply.text,
        id=said.id if said else None,
        tool_calls=said.tool_calls if said else [],
        response_metadata=said.response_metadata if said else {},
        usage_metadata=said.usage_metadata if said else None,
    )
