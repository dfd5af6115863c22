"""What steps that select answers share: how many they keep, and how they write the selection."""

import re
from collections.abc import Iterable, Sequence

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import Step, Update

CHAIN = re.compile(r"\d+(?:[^\d>]{0,20}>[^\d>]{0,20}\d+)+")  # 2 > 3 > 1


class SelectionStep(Step):
    """A step that keeps the best answers."""

    keep: int = Field(1, ge=1, description="How many answers it hands on, the best first.")

    @property
    def leaves_one_answer(self) -> bool:
        """Whether only the best is left."""
        return self.keep == 1

    def answers_left(self, answers: int) -> int:
        """Return as many as it keeps."""
        return min(self.keep, answers)


def seat_weights(view: NodeView, seats: Iterable[str]) -> dict[str, float]:
    """Return the weight of each seat's vote; an answer that a person added weighs 1."""
    proposers = view.recipe["layers"][_layer_read(view) - 1]["proposers"]
    by_number = {number: seat.get("weight", 1.0) for number, seat in enumerate(proposers, 1)}
    return {s: by_number.get(int(s), 1.0) if s.isdigit() else 1.0 for s in seats}


def parse_best(text: str, order: Sequence[str]) -> list[str] | None:
    """Parse the seats that a ranking names, the best first, from the numbers they were shown as.

    The last line that chains numbers, such as 2 > 3 > 1, counts; else the last line with any. An
    unknown number makes the ranking unreadable.

    Args:
        text: The model's answer.
        order: The seats in the order in which they were shown, from number 1.

    Returns:
        The named seats, or None if the ranking cannot be read.
    """
    lines = [line for line in text.splitlines() if re.search(r"\d", line)]
    chains = [match for line in lines if (match := CHAIN.findall(line))]
    digits = re.findall(r"\d+", chains[-1][-1] if chains else lines[-1] if lines else "")
    numbers = [int(number) for number in digits]
    if not numbers or any(not 1 <= number <= len(order) for number in numbers):
        return None
    return list(dict.fromkeys(order[number - 1] for number in numbers))


def parse_ranking(text: str, order: Sequence[str]) -> list[str] | None:
    """Parse a ranking of all seats; seats that it does not name come last, in the order shown."""
    best = parse_best(text, order)
    return best and [*best, *(seat for seat in order if seat not in best)]


def select_answers(view: NodeView, ranked: Sequence[str], keep: int, record: Json) -> Update:
    """Return the update that keeps the best answers.

    Args:
        view: The node.
        ranked: Seats, the best first.
        keep: How many to keep; at the end of the turn, the first is the answer.
        record: The rest of the step's record.
    """
    texts, name = view.answers, view.spec.name
    best = list(ranked)[:keep]
    if view.spec.ends_turn:
        best = best[:1]
        text, kind = texts[best[0]], str(_proposal(view, best[0]).get("kind", "ok"))
        final = {**record, "kept": best, "text": text}
        return {"steps": {name: final}, "messages": [message_of_text(text, kind)]}
    pinned = [seat for seat in texts if _proposal(view, seat).get("pinned")]
    best += [seat for seat in pinned if seat not in best]
    return {"steps": {name: {**record, "kept": best}}}


def _proposal(view: NodeView, seat: str) -> Json:
    return dict(view.proposals(_layer_read(view)).get(seat, {}))


def _layer_read(view: NodeView) -> int:
    return view.spec.reads[0] if view.spec.reads else view.spec.layer
