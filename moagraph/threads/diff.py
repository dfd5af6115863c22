"""Two runs side by side: which answers are the same, what changed in the others, and the bills."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from moagraph.nodes.state import Json
from moagraph.threads.turn_view import Shown

NEAR = 8  # words that are shown on either side of a change
BRIDGE = 2  # words that two changes may have between them and still be read as one
ALIKE = 0.5  # share of words below which two texts are shown whole, one after the other
LONG = 3000  # words from which on texts are compared line by line

Pair = tuple[str | None, str | None]
Key = tuple[int, int, int, str]


@dataclass(frozen=True)
class Changed:
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
        return changes(self.texts[0] or "", self.texts[1] or "")

    def as_json(self) -> Json:
        """The texts of both, and what changed between them."""
        pairs = {"models": self.models, "kinds": self.kinds, "texts": self.texts}
        told = {"changes": None if self.same else self.changes}
        return {"name": self.name, "same": self.same, **pairs, **told}


@dataclass(frozen=True)
class Difference:
    """What two runs have in common and what not."""

    sides: tuple[Shown, Shown]
    answers: list[Changed]

    def as_json(self) -> Json:
        """Both bills, and each seat, each step and the answer."""
        runs = [_bill(side) for side in self.sides]
        return {"runs": runs, "answers": [answer.as_json() for answer in self.answers]}


def difference(first: Shown, second: Shown) -> Difference:
    """Compare seat by seat, in the order of the layers."""
    one, other = dict(_records(first)), dict(_records(second))
    keys = sorted({**one, **other})
    answers = [_changed(key[-1], one.get(key, {}), other.get(key, {})) for key in keys]
    return Difference((first, second), answers)


def changes(first: str, second: str) -> str:
    """The second text as made of the first: `[-what went-]`, `{+what came+}`, and some around."""
    old, new = _words(first), _words(second)
    if max(len(old), len(new)) > LONG:
        old, new = first.splitlines(keepends=True), second.splitlines(keepends=True)
    return "".join(_marked(old, new))


def _marked(old: list[str], new: list[str]) -> Iterator[str]:
    stretches = list(_stretches(old, new))
    for number, (went, came) in enumerate(stretches):
        if went == came:
            yield "".join(_short(went, first=number == 0, last=number == len(stretches) - 1))
            continue
        if went:
            yield f"[-{''.join(went)}-]"
        if came:
            yield f"{{+{''.join(came)}+}}"


def _stretches(old: list[str], new: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """What both have, and between that what went and what came."""
    went: list[str] = []
    came: list[str] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    found = matcher.get_opcodes()
    if matcher.ratio() < ALIKE:
        found = [("replace", 0, len(old), 0, len(new))]
    for number, (kind, left, right, start, end) in enumerate(found):
        bridge = 0 < number < len(found) - 1 and right - left <= BRIDGE
        if kind == "equal" and not bridge:
            yield from [(went, came)] if went or came else []
            yield old[left:right], new[start:end]
            went, came = [], []
        else:
            went, came = went + old[left:right], came + new[start:end]
    yield from [(went, came)] if went or came else []


def _short(words: list[str], first: bool, last: bool) -> list[str]:
    """A stretch that both have, without its middle where that is long."""
    head, tail = [] if first else words[:NEAR], [] if last else words[-NEAR:]
    if len(words) <= len(head) + len(tail) + 2:
        return words
    return [*head, "… ", *tail]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _records(shown: Shown) -> Iterator[tuple[Key, Json]]:
    """By where it stands: a seat of a layer, a step behind it, at last the answer."""
    for layer in shown.layers:
        for proposal in layer.proposals:
            yield (0, layer.number, 0, f"{layer.number}.{proposal['seat']}"), proposal
        for number, step in enumerate(layer.steps, 1):
            if step is shown.answering:
                yield (1, 0, 0, "answer"), step
            elif "text" in step:
                yield (0, layer.number, number, step["node"]), step


def _changed(name: str, one: Json, other: Json) -> Changed:
    def pair(what: str) -> tuple[Any, Any]:
        return one.get(what), other.get(what)

    return Changed(name, pair("model"), pair("kind"), pair("text"))


def _bill(shown: Shown) -> Json:
    came = shown.came
    where = {"thread_id": came.thread_id, "fork": shown.fork, "turn": shown.turn}
    told = {"recipe": came.recipe, "status": came.status, "question": shown.question}
    bill = {"usage": came.usage, "cost_usd": came.cost_usd, "seconds": came.seconds}
    return {**where, **told, **bill}
