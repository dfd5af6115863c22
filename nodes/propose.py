"""A seat: one model answers the question, having read the layer before."""

from typing import Any

from pydantic import Field

from nodes.chat.ask import ask
from nodes.chat.call import Call
from nodes.conversation import hear
from nodes.state import Place, State, answers, seats, settings, widest


class Seat(Call):
    """A model in a layer; `count` seats it more than once."""

    count: int = Field(1, ge=1, le=100, description="How many seats this model takes.")
    prompt: str | None = Field(None, description="How it is told of the layer before.")


async def propose(state: State, place: Place) -> dict[str, Any]:
    """Ask the seat's model, unless it has answered or been told not to."""
    if place.seat in seats(state, place.layer):
        return {}
    seat = Seat.model_validate(settings(state, place))
    prompt = state["recipe"]["prompts"][seat.prompt]
    heard = hear(state["messages"], prompt, list(answers(state, place).values()))
    reply = await ask(seat, heard, widest(state["recipe"]))
    return {"layers": {str(place.layer): {place.seat: reply.record()}}}
