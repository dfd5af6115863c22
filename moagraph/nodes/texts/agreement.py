"""Find the answers that agree: word for word, as a number, as a choice, or by similarity."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from moagraph.nodes.texts.final_answer import READINGS
from moagraph.nodes.texts.similarity import similarity

Like: TypeAlias = Literal["exact", "numeric", "choice", "similar"]


@dataclass(frozen=True)
class Agreement:
    """The seats that agree with the largest group, and the best of them."""

    seats: list[str]
    best: str


def largest_agreement(texts: Mapping[str, str], like: Like, threshold: float) -> Agreement:
    """Return the largest group of answers that agree; of equally large groups, the first.

    Args:
        texts: The answers by seat.
        like: What makes two answers agree.
        threshold: The similarity from which on two answers agree, for "similar".
    """
    if like == "similar":
        return _most_similar(texts, threshold)
    values = {seat: READINGS[like](text) for seat, text in texts.items()}
    groups = Counter(value for value in values.values() if value is not None)
    if not groups:
        first = next(iter(texts))
        return Agreement([first], first)
    largest = groups.most_common(1)[0][0]
    seats = [seat for seat, value in values.items() if value == largest]
    return Agreement(seats, seats[0])


def _most_similar(texts: Mapping[str, str], threshold: float) -> Agreement:
    """Return the answer that most others resemble, with those others."""
    scores = {
        seat: {
            peer: similarity(text.casefold(), peer_text.casefold())
            for peer, peer_text in texts.items()
        }
        for seat, text in texts.items()
    }
    groups = {
        seat: [peer for peer, score in row.items() if score >= threshold or peer == seat]
        for seat, row in scores.items()
    }
    best = max(texts, key=lambda seat: (len(groups[seat]), sum(scores[seat].values())))
    return Agreement(groups[best], best)
