"""Whether answers say the same: word for word, as a number, as a choice, or nearly."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from moagraph.nodes.texts.similarity import likeness
from moagraph.nodes.texts.final_answer import READINGS

Like: TypeAlias = Literal["exact", "numeric", "choice", "similar"]


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


def _similar(texts: Mapping[str, str], least: float) -> Agreement:
    """The answer that most others resemble; it stands in the middle of those that do."""
    near = {
        seat: {other: likeness(text.casefold(), said.casefold()) for other, said in texts.items()}
        for seat, text in texts.items()
    }
    alike = {
        seat: [other for other, how in found.items() if how >= least or other == seat]
        for seat, found in near.items()
    }
    best = max(texts, key=lambda seat: (len(alike[seat]), sum(near[seat].values())))
    return Agreement(alike[best], best)
