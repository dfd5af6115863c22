"""A seat: one model answers the question, having read the layer before."""

from functools import partial
from typing import Any

from langchain_core.messages import AnyMessage
from pydantic import Field

from nodes.budget import room, within
from nodes.chat.ask import ask
from nodes.chat.call import Call
from nodes.chat.reply import Reply
from nodes.conversation import hear
from nodes.race import Rules, over, race
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
    asked, why = await room(state, place.layer)
    if int(place.seat) > asked:
        reply = Reply(seat.model, "skipped", error=f"left out: it would break {why}", attempts=0)
        return {"layers": {str(place.layer): {place.seat: reply.record()}}}
    prompt = state["recipe"]["prompts"][seat.prompt]
    heard = hear(state["messages"], prompt, list(answers(state, place).values()))
    allowed = within(state, seat, beside=asked, behind=1)
    reply = await _raced(state, place, allowed, heard, asked)
    return {"layers": {str(place.layer): {place.seat: reply.record()}}}


async def _raced(
    state: State, place: Place, seat: Call, heard: list[AnyMessage], asked: int
) -> Reply:
    """Ask beside the layer's other seats, under its rules for the last of them."""
    layer = state["recipe"]["layers"][place.layer - 1]
    grace, hedge_after = layer.get("grace"), layer.get("hedge_after")
    asking = partial(ask, seat, heard, widest(state["recipe"]))
    if grace is None and hedge_after is None:
        return await asking()
    standing = seats(state, place.layer)
    usable = sum(proposal["ok"] for proposal in standing.values())
    quorum = min(layer["quorum"], asked)
    rules = Rules(asked - len(standing), quorum, grace, hedge_after)
    under_way = race(place.layer, rules, usable)
    hedge = partial(ask, seat.substitutes[0], heard) if seat.fallbacks else None
    try:
        return await under_way.run(place.seat, seat.model, asking, hedge)
    finally:
        over(place.layer, under_way)
