"""Revise: the model of a `verify` writes the answer anew, told what was wrong with it."""

from typing import Any

from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.messages.build import Telling, as_kept, hearing
from moagraph.nodes.state import Json, Place, State, sample, settings, widest


async def revise(state: State, place: Place) -> dict[str, Any]:
    """Ask it, unless there is nothing to tell; where it fails, the answer stays as it was."""
    told = [state["steps"].get(node, {}) for node in place.earlier]
    if any(record.get("stuck") for record in told):
        return {}
    feedback = "\n".join(f"- {why}" for why in told[-1]["complaints"])
    said = settings(state, place)
    call = Call.model_validate({key: said[key] for key in said if key in Call.model_fields})
    telling = Telling(values={"feedback": feedback})
    heard = hearing(state, place, telling)
    slots = widest(state["recipe"])
    reply = await ask(within(state, call), heard, slots, sample(state, place))
    record: Json = {**reply.record(), "told": as_kept(telling, state, place)}
    if not reply.ok:
        record = {"calls": {"writer": record}, "stuck": True}
    return {"steps": {place.node: record}}
