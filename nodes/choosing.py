"""What steps that pick among answers have in common: how many they keep, and how they say so."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from nodes.answer import written
from nodes.state import Json, Place, State, answers, seats
from nodes.step import Step


class Choosing(Step):
    """How many answers are handed on."""

    keep: int = Field(1, ge=1, description="How many answers it hands on, the best first.")

    @property
    def gives_one(self) -> bool:
        """Whether only the best is left."""
        return self.keep == 1

    def leaves(self, seats: int) -> int:
        """As many as it keeps."""
        return min(self.keep, seats)


def handed_on(
    state: State, place: Place, ranked: Sequence[str], keep: int, record: Json
) -> dict[str, Any]:
    """The update that keeps the best, and what a person has pinned; the very last is the answer."""
    texts = answers(state, place)
    best = list(ranked)[:keep]
    if place.last:
        best = best[:1]
        text, kind = texts[best[0]], _kind(state, place, best[0])
        left = {**record, "kept": best, "text": text}
        return {"steps": {place.node: left}, "messages": [written(text, kind)]}
    pinned = [seat for seat in texts if _proposal(state, place, seat).get("pinned")]
    best += [seat for seat in pinned if seat not in best]
    return {"steps": {place.node: {**record, "kept": best}}}


def _kind(state: State, place: Place, seat: str) -> str:
    return str(_proposal(state, place, seat).get("kind", "ok"))


def _proposal(state: State, place: Place, seat: str) -> Json:
    layer = place.reads[0] if place.reads else place.layer
    return dict(seats(state, layer).get(seat, {}))
