"""What steps that pick among answers have in common: how many they keep, and how they say so."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from moagraph.nodes.step_support.answer import written
from moagraph.nodes.state import Json, Place, State, answers, seats
from moagraph.nodes.step_support.base import Step

CHAIN = re.compile(r"\d+(?:[^\d>]{0,20}>[^\d>]{0,20}\d+)+")  # 2 > 3 > 1


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


def weights(state: State, place: Place, texts: Iterable[str]) -> dict[str, float]:
    """How much each seat counts, as the recipe says; a person's own answer counts as one."""
    layer = place.reads[0] if place.reads else place.layer
    said = state["recipe"]["layers"][layer - 1]["proposers"]
    by_number = {number: seat.get("weight", 1.0) for number, seat in enumerate(said, 1)}
    return {s: by_number.get(int(s), 1.0) if s.isdigit() else 1.0 for s in texts}


def named(said: str, order: Sequence[str]) -> list[str] | None:
    """The seats that a ranking names, the best first, by the numbers they were shown under.

    What counts is the last line that chains numbers, such as 2 > 3 > 1; else the last that holds
    any. A number that nobody has makes it unreadable.
    """
    lines = [line for line in said.splitlines() if re.search(r"\d", line)]
    chains = [found for line in lines if (found := CHAIN.findall(line))]
    numbers = re.findall(r"\d+", chains[-1][-1] if chains else lines[-1] if lines else "")
    known = [int(number) for number in numbers]
    if not known or any(not 1 <= number <= len(order) for number in known):
        return None
    return list(dict.fromkeys(order[number - 1] for number in known))


def ranking(said: str, order: Sequence[str]) -> list[str] | None:
    """All seats, the best first; whoever is not named comes behind, in the order as shown."""
    best = named(said, order)
    return best and [*best, *(seat for seat in order if seat not in best)]


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
