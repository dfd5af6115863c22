"""A seat: one model answers the question, having read the layer before."""

from functools import partial
from typing import Any

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import room, within
from moagraph.nodes.models.client import ask, ask_instead, ask_one
from moagraph.nodes.models.call import Call
from moagraph.nodes.policies.latency import note, paces
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.outgoing import BuildMessages
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import MessageBuilder
from moagraph.nodes.policies.stragglers import Rules, leave, race
from moagraph.nodes.state import Json, unrouted_seats

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

    async def run(self, view: NodeView) -> dict[str, Any]:
        """Answer in this seat."""
        return await propose(view)


async def propose(view: NodeView) -> dict[str, Any]:
    """Ask the seat's model, unless it has answered or been told not to."""
    if view.spec.seat in view.proposals():
        return {}
    seat = Seat.model_validate(view.settings)
    others = unrouted_seats(view.state, view.spec.layer)
    if router := others.get(view.spec.seat):
        chose = view.records[router]
        told = f"not chosen by `{router}`, which took `{chose['chosen']}`: {chose['why']}"
        reply = Reply(seat.model, "skipped", error=told, attempts=0)
        return {"layers": {str(view.spec.layer): {view.spec.seat: reply.record()}}}
    asked, why = await room(view.state, view.spec.layer)
    if int(view.spec.seat) - sum(other < view.spec.seat for other in others) > asked:
        reply = Reply(seat.model, "skipped", error=f"left out: it would break {why}", attempts=0)
        return {"layers": {str(view.spec.layer): {view.spec.seat: reply.record()}}}
    heard = MessageBuilder(view)
    allowed = within(view.state, seat, beside=asked, behind=1)
    reply = await _raced(view, allowed, heard, asked)
    return {"layers": {str(view.spec.layer): {view.spec.seat: reply.record()}}}


async def _raced(view: NodeView, seat: Call, heard: BuildMessages, asked: int) -> Reply:
    """Ask beside the layer's other seats, under its rules for the last of them."""
    told = (seat, heard, view.concurrency, view.cache_key)
    layer = view.recipe["layers"][view.spec.layer - 1]
    if layer.get("grace") is None and layer.get("hedge_after") is None:
        return await ask(*told)
    others = unrouted_seats(view.state, view.spec.layer)
    standing = [p for name, p in view.proposals().items() if name not in others][:asked]
    rules = await _rules(view.recipe, layer, asked, len(standing))
    under_way = race(view.spec.layer, rules, sum(proposal["ok"] for proposal in standing))
    rest = partial(ask_instead, *told) if seat.fallbacks else None
    try:
        reply = await under_way.run(view.spec.seat, seat.model, partial(ask_one, *told), rest)
    finally:
        leave(view.spec.layer, under_way)
    if rules.grace == "auto" and reply.attempts and reply.kind in TIMED:
        await note(view.recipe["name"], seat.model, reply.seconds)
    return reply


async def _rules(recipe: Json, layer: Json, asked: int, standing: int) -> Rules:
    """The layer's rules for those seats of it that are asked now."""
    grace, models = layer.get("grace"), [said["model"] for said in layer["proposers"]]
    known = await paces(recipe["name"], models) if grace == "auto" else {}
    quorum = min(layer["quorum"], asked)
    return Rules(asked - standing, quorum, grace, layer.get("hedge_after"), known)
