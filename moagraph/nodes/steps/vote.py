"""Vote: select the answer that most seats gave, or the one most similar to all; makes no call."""

import asyncio
from typing import Literal

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Update
from moagraph.nodes.step_support.selection import SelectionStep, seat_weights, select_answers
from moagraph.nodes.texts.final_answer import READINGS
from moagraph.nodes.texts.similarity import mean_similarity


class Vote(SelectionStep):
    """What makes two answers equal; a seat's `weight` is its number of votes."""

    step: Literal["vote"] = "vote"
    by: Literal["exact", "numeric", "choice", "similar"] = Field(
        "exact",
        description="Its words, its last number, its letter; or likeness to all others (chrF).",
    )

    async def run(self, view: NodeView) -> Update:
        """Count the votes; among equal answers, and equal votes, the first seat wins."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        weights = seat_weights(view, view.answers)
        if self.by == "similar":
            # Comparing every two texts takes time, and must not block the event loop.
            ranked, record = await asyncio.to_thread(_rank_by_similarity, view.answers, weights)
        else:
            ranked, record = _rank_by_count(view.answers, weights, self.by)
        return select_answers(view, ranked, self.keep, {"by": self.by, **record})


def _rank_by_count(
    texts: dict[str, str], weights: dict[str, float], by: str
) -> tuple[list[str], Json]:
    """Rank one seat for each distinct answer, by votes; then the seats without a readable one."""
    values = {seat: READINGS[by](text) for seat, text in texts.items()}
    votes: dict[str, list[str]] = {}
    for seat, value in values.items():
        if value is not None:
            votes.setdefault(value, []).append(seat)
    counts = {value: sum(weights[seat] for seat in seats) for value, seats in votes.items()}
    order = sorted(votes, key=lambda value: -counts[value])
    unread = [seat for seat, value in values.items() if value is None]
    ties = [value for value in order if counts[value] == counts[order[0]]]
    record = {
        "votes": {value: votes[value] for value in order},
        "counts": {value: counts[value] for value in order},
        "unparsed": len(unread),
        **({"unread": unread} if unread else {}),
        **_tie_notes(
            ties, "" if order else f"no answer could be read as {by}: the first one stands"
        ),
    }
    return [*(votes[value][0] for value in order), *unread], record


def _rank_by_similarity(texts: dict[str, str], weights: dict[str, float]) -> tuple[list[str], Json]:
    """Rank the seats by their similarity to all others."""
    scores = {seat: round(value, 4) for seat, value in mean_similarity(texts, weights).items()}
    ranked = sorted(scores, key=lambda seat: -scores[seat])
    ties = [seat for seat in ranked if scores[seat] == scores[ranked[0]]]
    return ranked, {"likeness": {seat: scores[seat] for seat in ranked}, **_tie_notes(ties)}


def _tie_notes(ties: list[str], reason: str = "") -> Json:
    """Note that the first seat decides among equal votes."""
    if len(ties) > 1:
        return {"tie": ties, "why": "equal votes: the first seat's answer stands"}
    return {"why": reason} if reason else {}
