"""Aggregate-and-Synthesize: one model writes one answer from all that it reads."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from nodes.answer import spoken
from nodes.budget import within
from nodes.chat.ask import ask
from nodes.chat.call import Call
from nodes.chat.reply import Reply
from nodes.errors import StepFailed
from nodes.fence import Reading
from nodes.hearing import hearing
from nodes.state import Place, State, passed, sample, settings, widest
from nodes.step import Step


class Synthesize(Call, Reading, Step):
    """Which model writes, and by which prompt."""

    writes: ClassVar[bool] = True

    step: Literal["synthesize"] = "synthesize"
    prompt: str = Field("synthesize", description="A prompt's name, a path, or the text.")

    @property
    def gives_one(self) -> bool:
        """It writes one answer."""
        return True

    def calls(self, seats: int) -> int:
        """One, whatever it reads."""
        return 1


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
    return {**update, "messages": [spoken(reply)]} if place.last else update


def _finish(reply: Reply) -> str | None:
    return reply.message.response_metadata.get("finish_reason") if reply.message else None
