"""Two runs side by side: which answers are the same, what changed in the others, and the bills."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from moagraph.nodes.state import Json
from moagraph.threads.turn_view import TurnView

NEAR = 8  # words that are shown on either side of a change
BRIDGE = 2  # words that two changes may have between them and still be read as one
ALIKE = 0.5  # share of words below which two texts are shown whole, one after the other
LONG = 3000  # words from which on texts are compared line by line

Pair = tuple[str | None, str | None]
Key = tuple[int, int, int, str]


@dataclass(frozen=True)
class ChangedAnswer:
    """One seat, step or answer of two runs; None where a run has none."""

    name: str
    models: Pair
    kinds: Pair
    texts: Pair

    @property
    def same(self) -> bool:
        """Whether both say the same, with the same outcome."""
        return self.texts[0] == self.texts[1] and self.kinds[0] == self.kinds[1]

    @property
    def changes(self) -> str:
        """What changed in the text."""
        return mark_changes(self.texts[0] or "", self.texts[1] or "")

    def as_json(self) -> Json:
        """The texts of both, and what changed between them."""
        pairs = {"models": self.models, "kinds": self.kinds, "texts": self.texts}
        fields = {"changes": None if self.same else self.changes}
        return {"name": self.name, "same": self.same, **pairs, **fields}


@dataclass(frozen=True)
class Difference:
    """What two runs have in common and what not."""

    sides: tuple[TurnView, TurnView]
    answers: list[ChangedAnswer]

    def as_json(self) -> Json:
        """Both bills, and each seat, each step and the answer."""
        runs = [_summary(side) for side in self.sides]
        return {"runs": runs, "answers": [answer.as_json() for answer in self.answers]}


def compare_turns(first: TurnView, second: TurnView) -> Difference:
    """Compare seat by seat, in the order of the layers."""
    first_record, second_record = dict(_records(first)), dict(_records(second))
    keys = sorted({**first_record, **second_record})
    answers = [
        _change(key[-1], first_record.get(key, {}), second_record.get(key, {})) for key in keys
    ]
    return Difference((first, second), answers)


def mark_changes(first: str, second: str) -> str:
    """The second text as made of the first: `[-what went-]`, `{+what came+}`, and some around."""
    old, new = _words(first), _words(second)
    if max(len(old), len(new)) > LONG:
        old, new = first.splitlines(keepends=True), second.splitlines(keepends=True)
    return "".join(_mark_words(old, new))


def _mark_words(old: list[str], new: list[str]) -> Iterator[str]:
    stretches = list(_split_changes(old, new))
    for number, (removed, added) in enumerate(stretches):
        if removed == added:
            yield "".join(
                _shorten_middle(removed, first=number == 0, last=number == len(stretches) - 1)
            )
            continue
        if removed:
            yield f"[-{''.join(removed)}-]"
        if added:
            yield f"{{+{''.join(added)}+}}"


def _split_changes(old: list[str], new: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """What both have, and between that what went and what came."""
    removed: list[str] = []
    added: list[str] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    operations = matcher.get_opcodes()
    if matcher.ratio() < ALIKE:
        operations = [("replace", 0, len(old), 0, len(new))]
    for number, (kind, start_old, end_old, start_new, end_new) in enumerate(operations):
        bridge = 0 < number < len(operations) - 1 and end_old - start_old <= BRIDGE
        if kind == "equal" and not bridge:
            yield from [(removed, added)] if removed or added else []
            yield old[start_old:end_old], new[start_new:end_new]
            removed, added = [], []
        else:
            removed, added = removed + old[start_old:end_old], added + new[start_new:end_new]
    yield from [(removed, added)] if removed or added else []


def _shorten_middle(words: list[str], first: bool, last: bool) -> list[str]:
    """A stretch that both have, without its middle where that is long."""
    head, tail = [] if first else words[:NEAR], [] if last else words[-NEAR:]
    if len(words) <= len(head) + len(tail) + 2:
        return words
    return [*head, "… ", *tail]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _records(view: TurnView) -> Iterator[tuple[Key, Json]]:
    """By where it stands: a seat of a layer, a step behind it, at last the answer."""
    for layer in view.layers:
        for proposal in layer.proposals:
            yield (0, layer.number, 0, f"{layer.number}.{proposal['seat']}"), proposal
        for number, step in enumerate(layer.steps, 1):
            if step is view.answering:
                yield (1, 0, 0, "answer"), step
            elif "text" in step:
                yield (0, layer.number, number, step["node"]), step


def _change(name: str, first_record: Json, second_record: Json) -> ChangedAnswer:
    def pair(what: str) -> tuple[Any, Any]:
        return first_record.get(what), second_record.get(what)

    return ChangedAnswer(name, pair("model"), pair("kind"), pair("text"))


def _summary(view: TurnView) -> Json:
    added = view.run_result
    position = {"thread_id": added.thread_id, "fork": view.fork, "turn": view.turn}
    fields = {"recipe": added.recipe, "status": added.status, "question": view.question}
    totals = {"usage": added.usage, "cost_usd": added.cost_usd, "seconds": added.seconds}
    return {**position, **fields, **totals}
