"""A seat: one model answers the question, having read the layer before."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from langgraph.errors import GraphBubbleUp
from pydantic import Field

from moagraph.nodes.resources import PromptFile
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.failures import internal_failure

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
    prompt: Annotated[str | None, PromptFile] = Field(
        None, description="How it is told of the layer before."
    )
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
    """Ask the seat's model, unless it has answered or is not to be asked.

    An exception would cancel the other seats of the layer, whose answers are paid: whatever goes
    wrong here is this seat's failure. Only a cancellation and LangGraph's own signals pass.
    """
    if view.spec.seat in view.proposals():
        return {}
    seat = Seat.model_validate(view.settings)
    try:
        reply = _with_text(await _reply(view, seat))
    except GraphBubbleUp:
        raise
    except MoaError as error:
        reply = Reply(seat.model, "refused", error=str(error), attempts=0)
    except Exception as error:
        reply = Reply(seat.model, "bad_answer", error=internal_failure(error), attempts=0)
    return {"layers": {str(view.spec.layer): {view.spec.seat: reply.record()}}}


async def _reply(view: NodeView, seat: Seat) -> Reply:
    """Return what the seat answers, or why it is not asked."""
    unrouted = unrouted_seats(view.state, view.spec.layer)
    if router := unrouted.get(view.spec.seat):
        choice = view.records[router]
        reason = f"not chosen by `{router}`, which took `{choice['chosen']}`: {choice['why']}"
        return Reply(seat.model, "skipped", error=reason, attempts=0)
    allowed_seats, limit = await room(view.state, view.spec.layer)
    earlier_unrouted = sum(name < view.spec.seat for name in unrouted)
    if int(view.spec.seat) - earlier_unrouted > allowed_seats:
        reason = f"left out: it would break {limit}"
        return Reply(seat.model, "skipped", error=reason, attempts=0)
    call = within(view.state, seat, beside=allowed_seats, behind=1)
    return await _raced(view, call, MessageBuilder(view), allowed_seats)


def _with_text(reply: Reply) -> Reply:
    """Return the reply; a tool call without a text is no answer that others can read."""
    if not reply.ok or reply.text.strip():
        return reply
    return replace(reply, kind="empty", error="the answer has no text that others could read")


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
