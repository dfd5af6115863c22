"""Vote: the answer that most seats gave, or the one most like all others; no model is asked."""

import asyncio
from typing import Any, Literal

from pydantic import Field

from moagraph.nodes.step_support.selection import Choosing, handed_on, weights
from moagraph.nodes.state import Json, Place, State, answers, passed, settings
from moagraph.nodes.texts.similarity import agreement
from moagraph.nodes.texts.final_answer import READINGS


class Vote(Choosing):
    """What makes two answers the same; a seat's `weight` is how many votes it has."""

    step: Literal["vote"] = "vote"
    by: Literal["exact", "numeric", "choice", "similar"] = Field(
        "exact",
        description="Its words, its last number, its letter; or likeness to all others (chrF).",
    )


async def vote(state: State, place: Place) -> dict[str, Any]:
    """Count; the first seat speaks for all that say the same, and wins where votes are equal."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Vote.model_validate(settings(state, place))
    texts = answers(state, place)
    heavy = weights(state, place, texts)
    if step.by == "similar":
        # Comparing every two texts takes time, which others of this process may need.
        ranked, record = await asyncio.to_thread(_by_likeness, texts, heavy)
    else:
        ranked, record = _by_count(texts, heavy, step.by)
    return handed_on(state, place, ranked, step.keep, {"by": step.by, **record})


def _by_count(texts: dict[str, str], heavy: dict[str, float], by: str) -> tuple[list[str], Json]:
    """One seat for each thing said, that with the most votes first; then who said nothing."""
    said = {seat: READINGS[by](text) for seat, text in texts.items()}
    votes: dict[str, list[str]] = {}
    for seat, value in said.items():
        if value is not None:
            votes.setdefault(value, []).append(seat)
    counts = {value: sum(heavy[seat] for seat in seats) for value, seats in votes.items()}
    order = sorted(votes, key=lambda value: -counts[value])
    mute = [seat for seat, value in said.items() if value is None]
    ties = [value for value in order if counts[value] == counts[order[0]]]
    record = {
        "votes": {value: votes[value] for value in order},
        "counts": {value: counts[value] for value in order},
        "unparsed": len(mute),
        **({"unread": mute} if mute else {}),
        **_tied(ties, "" if order else f"no answer could be read as {by}: the first one stands"),
    }
    return [*(votes[value][0] for value in order), *mute], record


def _by_likeness(texts: dict[str, str], heavy: dict[str, float]) -> tuple[list[str], Json]:
    """The seats, the one that is most like all others first."""
    alike = {seat: round(value, 4) for seat, value in agreement(texts, heavy).items()}
    ranked = sorted(alike, key=lambda seat: -alike[seat])
    ties = [seat for seat in ranked if alike[seat] == alike[ranked[0]]]
    return ranked, {"likeness": {seat: alike[seat] for seat in ranked}, **_tied(ties)}


def _tied(ties: list[str], why: str = "") -> Json:
    """Where votes are equal, the first seat decides, and that is said."""
    if len(ties) > 1:
        return {"tie": ties, "why": "equal votes: the first seat's answer stands"}
    return {"why": why} if why else {}
