"""How like two texts are, as chrF has it: the share of short runs of letters in common."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from nodes.errors import MissingExtra

LONGEST = 20_000  # characters of a text that are compared


def at_hand() -> bool:
    """Whether texts can be compared here."""
    return find_spec("sacrebleu") is not None


def likeness(text: str, other: str) -> float:
    """From 0 to 1, whichever of the two comes first."""
    one, two = text[:LONGEST], other[:LONGEST]
    there: float = _chrf().sentence_score(one, [two]).score
    back: float = _chrf().sentence_score(two, [one]).score
    return (there + back) / 200


def agreement(texts: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, float]:
    """How like all the others each text is, the others by their weight."""
    pairs: dict[tuple[str, str], float] = {}
    seats = list(texts)
    for number, seat in enumerate(seats):
        for other in seats[number + 1 :]:
            alike = likeness(texts[seat], texts[other])
            pairs[seat, other] = pairs[other, seat] = alike
    return {seat: _mean(seat, seats, pairs, weights) for seat in seats}


def _mean(
    seat: str,
    seats: list[str],
    pairs: Mapping[tuple[str, str], float],
    weights: Mapping[str, float],
) -> float:
    others = [other for other in seats if other != seat]
    heavy = sum(weights[other] for other in others)
    said = sum(weights[other] * pairs[seat, other] for other in others)
    return said / heavy if heavy else 0.0


@cache
def _chrf() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra(
            "comparing texts needs sacrebleu: `pip install 'moagraph[choose]'`"
        ) from error
    return CHRF()
