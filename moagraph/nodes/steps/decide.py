"""Decide: a person accepts an answer that failed its checks, writes another, or stops."""

from typing import Any

from moagraph.nodes.step_support.answer import written
from moagraph.nodes.policies.review import decision
from moagraph.nodes.state import Json, Place, State, answers


async def decide(state: State, place: Place) -> dict[str, Any]:
    """Pause with the answer and what was found wrong with it; no model is asked."""
    text = "".join(answers(state, place).values())
    told = state["steps"][place.earlier[-1]]["complaints"]
    edited = decision(place.layer, place.node, text, told)
    left: Json = {"text": text if edited is None else edited, "edited": edited is not None}
    update: dict[str, Any] = {"steps": {place.node: left}}
    return {**update, "messages": [written(left["text"])]} if place.last else update
