"""A seat: one model answers the question, having read the layer before."""

from dataclasses import replace
from functools import partial
from typing import Any

from langgraph.errors import GraphBubbleUp
from pydantic import Field

from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.failures import internal_failure

from moagraph.nodes.policies.budget import room, within
from moagraph.nodes.models.client import ask, ask_instead, ask_one
from moagraph.nodes.models.call import Call
from moagraph.nodes.policies.latency import note, paces
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.outgoing import Hearing
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import hearing
from moagraph.nodes.policies.stragglers import Rules, leave, race
from moagraph.nodes.state import Json, Place, State, passed_over, sample, seats, settings, widest

TIMED = {"ok", "truncated", "timeout"}  # these replies tell how long their model takes


class Seat(Call, Reading):
    """A model in a layer; `count` seats it more than once."""

    count: int = Field(1, ge=1, le=100, description="How many seats this model takes.")
    prompt: str | None = Field(None, description="How it is told of the layer before.")
    debate: bool | None = Field(
        None, description="Its own last answer is told apart from the others'."
    )
    weight: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="How much it counts where seats are counted."
    )
    name: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9_-]*$", description="What other steps call this seat."
    )


async def propose(state: State, place: Place) -> dict[str, Any]:
    """Ask the seat's model, unless it has answered or been told not to.

    An exception would cancel the other seats of the layer, whose answers are paid: whatever goes
    wrong here is this seat's failure. Only a cancellation and the engine's own signals pass.
    """
    if place.seat in seats(state, place.layer):
        return {}
    seat = Seat.model_validate(settings(state, place))
    try:
        reply = _with_text(await _reply(state, place, seat))
    except GraphBubbleUp:
        raise
    except MoaError as error:
        reply = Reply(seat.model, "refused", error=str(error), attempts=0)
    except Exception as error:
        reply = Reply(seat.model, "bad_answer", error=internal_failure(error), attempts=0)
    return {"layers": {str(place.layer): {place.seat: reply.record()}}}


async def _reply(state: State, place: Place, seat: Seat) -> Reply:
    """What the seat answers, or why it is not asked."""
    others = passed_over(state, place.layer)
    if router := others.get(place.seat):
        chose = state["steps"][router]
        why = f"not chosen by `{router}`, which took `{chose['chosen']}`: {chose['why']}"
        return Reply(seat.model, "skipped", error=why, attempts=0)
    asked, broken = await room(state, place.layer)
    if int(place.seat) - sum(other < place.seat for other in others) > asked:
        return Reply(
            seat.model, "skipped", error=f"left out: it would break {broken}", attempts=0
        )
    allowed = within(state, seat, beside=asked, behind=1)
    return await _raced(state, place, allowed, hearing(state, place), asked)


def _with_text(reply: Reply) -> Reply:
    """A seat's answer is read as a text: a call of a tool alone is none."""
    if not reply.ok or reply.text.strip():
        return reply
    return replace(reply, kind="empty", error="the answer has no text that others could read")


async def _raced(state: State, place: Place, seat: Call, heard: Hearing, asked: int) -> Reply:
    """Ask beside the layer's other seats, under its rules for the last of them."""
    told = (seat, heard, widest(state["recipe"]), sample(state, place))
    layer = state["recipe"]["layers"][place.layer - 1]
    if layer.get("grace") is None and layer.get("hedge_after") is None:
        return await ask(*told)
    others = passed_over(state, place.layer)
    standing = [p for name, p in seats(state, place.layer).items() if name not in others][:asked]
    rules = await _rules(state["recipe"], layer, asked, len(standing))
    under_way = race(place.layer, rules, sum(proposal["ok"] for proposal in standing))
    rest = partial(ask_instead, *told) if seat.fallbacks else None
    try:
        reply = await under_way.run(place.seat, seat.model, partial(ask_one, *told), rest)
    finally:
        leave(place.layer, under_way)
    if rules.grace == "auto" and reply.attempts and reply.kind in TIMED:
        await note(state["recipe"]["name"], seat.model, reply.seconds)
    return reply


async def _rules(recipe: Json, layer: Json, asked: int, standing: int) -> Rules:
    """The layer's rules for those seats of it that are asked now."""
    grace, models = layer.get("grace"), [said["model"] for said in layer["proposers"]]
    known = await paces(recipe["name"], models) if grace == "auto" else {}
    quorum = min(layer["quorum"], asked)
    return Rules(asked - standing, quorum, grace, layer.get("hedge_after"), known)
