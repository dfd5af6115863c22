"""A seat: one model answers the question, given the answers of the layer before."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from langgraph.errors import GraphBubbleUp
from pydantic import Field

from moagraph.nodes.errors import MoaError
from moagraph.nodes.messages.build import MessageBuilder
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask, ask_instead, ask_one
from moagraph.nodes.models.failures import internal_failure
from moagraph.nodes.models.outgoing import BuildMessages
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import affordable_seats, limit_call
from moagraph.nodes.policies.latency import load_latencies, record_latency
from moagraph.nodes.policies.stragglers import Rules, join_race, leave_race
from moagraph.nodes.resources import PromptFile
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
        """Return the proposal of this seat."""
        return await propose(view)


async def propose(view: NodeView) -> dict[str, Any]:
    """Ask the seat's model unless it has answered or is skipped.

    An exception would cancel the layer's other seats, whose answers are paid for: every error
    becomes a failed proposal. Only cancellation and LangGraph's own signals are raised.
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
    allowed_seats, limit = await affordable_seats(view.state, view.spec.layer)
    earlier_unrouted = sum(name < view.spec.seat for name in unrouted)
    if int(view.spec.seat) - earlier_unrouted > allowed_seats:
        reason = f"left out: it would break {limit}"
        return Reply(seat.model, "skipped", error=reason, attempts=0)
    call = limit_call(view.state, seat, concurrent=allowed_seats, remaining=1)
    return await _race(view, call, MessageBuilder(view), allowed_seats)


def _with_text(reply: Reply) -> Reply:
    """Return the reply; a tool call without a text is no answer that others can read."""
    if not reply.ok or reply.text.strip():
        return reply
    return replace(reply, kind="empty", error="the answer has no text that others could read")


async def _race(view: NodeView, seat: Call, messages: BuildMessages, seats: int) -> Reply:
    """Ask concurrently with the layer's other seats, under its rules for the last of them."""
    arguments = (seat, messages, view.concurrency, view.cache_key)
    layer = view.recipe["layers"][view.spec.layer - 1]
    if layer.get("grace") is None and layer.get("hedge_after") is None:
        return await ask(*arguments)
    unrouted = unrouted_seats(view.state, view.spec.layer)
    answered = [p for name, p in view.proposals().items() if name not in unrouted][:seats]
    rules = await _rules(view.recipe, layer, seats, len(answered))
    layer_race = join_race(view.spec.layer, rules, sum(proposal["ok"] for proposal in answered))
    substitutes = partial(ask_instead, *arguments) if seat.fallbacks else None
    try:
        request = partial(ask_one, *arguments)
        reply = await layer_race.run(view.spec.seat, seat.model, request, substitutes)
    finally:
        leave_race(view.spec.layer, layer_race)
    if rules.grace == "auto" and reply.attempts and reply.kind in TIMED:
        await record_latency(view.recipe["name"], seat.model, reply.seconds)
    return reply


async def _rules(recipe: Json, layer: Json, seats: int, answered: int) -> Rules:
    """Return the layer's rules for the seats that are asked now."""
    grace, models = layer.get("grace"), [seat["model"] for seat in layer["proposers"]]
    latencies = await load_latencies(recipe["name"], models) if grace == "auto" else {}
    quorum = min(layer["quorum"], seats)
    return Rules(seats - answered, quorum, grace, layer.get("hedge_after"), latencies)
