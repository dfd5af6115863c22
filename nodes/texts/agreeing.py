"""Whether answers say the same: word for word, as a number, as a choice, or nearly."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nodes.texts.stated import READINGS

Like: TypeAlias = Literal["exact", "numeric", "choice", "similar"]

LONGEST = 6  # characters of the pieces that two similar texts share
RECALL = 2  # how much more finding the other's pieces counts than having no others: chrF2


@dataclass(frozen=True)
class Agreement:
    """Who says the same as most, and which of them says it best."""

    seats: list[str]
    best: str


def agreement(texts: Mapping[str, str], like: Like, least: float) -> Agreement:
    """The largest group of answers that say the same; of equally large ones, the first."""
    if like == "similar":
        return _similar(texts, least)
    said = {seat: READINGS[like](text) for seat, text in texts.items()}
    groups = Counter(value for value in said.values() if value is not None)
    if not groups:
        first = next(iter(texts))
        return Agreement([first], first)
    most = groups.most_common(1)[0][0]
    seats = [seat for seat, value in said.items() if value == most]
    return Agreement(seats, seats[0])


def overlap(one: str, other: str) -> float:
    """How much two texts share, from 0 to 1: the F-score of their character pieces (chrF)."""
    left, right = ("".join(text.casefold().split()) for text in (one, other))
    scores = [_shared(_pieces(left, size), _pieces(right, size)) for size in range(1, LONGEST + 1)]
    told = [score for score in scores if score is not None]
    return sum(told) / len(told) if told else float(left == right)


def _similar(texts: Mapping[str, str], least: float) -> Agreement:
    """The answer that most others resemble; it stands in the middle of those that do."""
    near = {
        seat: {other: _both(text, said) for other, said in texts.items()}
        for seat, text in texts.items()
    }
    alike = {
        seat: [other for other, how in found.items() if how >= least or other == seat]
        for seat, found in near.items()
    }
    best = max(texts, key=lambda seat: (len(alike[seat]), sum(near[seat].values())))
    return Agreement(alike[best], best)


def _both(one: str, other: str) -> float:
    return (overlap(one, other) + overlap(other, one)) / 2


def _pieces(text: str, size: int) -> Counter[str]:
    return Counter(text[i : i + size] for i in range(len(text) - size + 1))


def _shared(one: Counter[str], other: Counter[str]) -> float | None:
    """The F-score of one's pieces against the other's; None where both have none."""
    if not one and not other:
        return None
    both = (one & other).total()
    if not both:
        return 0.0
    precision, recall = both / one.total(), both / other.total()
    return (1 + RECALL**2) * precision * recall / (RECALL**2 * precision + recall)
