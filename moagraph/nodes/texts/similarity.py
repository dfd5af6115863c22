"""How like two texts are, as chrF has it: the share of short runs of letters in common."""

from collections import Counter
from collections.abc import Mapping
from statistics import fmean

LONGEST = 20_000  # characters of a text that are compared
ORDER = 6  # letters of the longest run
BETA = 2  # how much more it weighs to have what the other has than to have nothing else

Runs = list[Counter[str]]


def likeness(text: str, other: str) -> float:
    """From 0 to 1, whichever of the two comes first."""
    return _both(_runs(text), _runs(other))


def chrf(text: str, reference: str) -> float:
    """The score from 0 to 1 that sacrebleu gives to the text as a translation."""
    return _f(_shares(_runs(text), _runs(reference)))


def agreement(texts: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, float]:
    """How like all the others each text is, the others by their weight."""
    runs = {seat: _runs(text) for seat, text in texts.items()}
    seats = list(texts)
    pairs: dict[tuple[str, str], float] = {}
    for number, seat in enumerate(seats):
        for other in seats[number + 1 :]:
            pairs[seat, other] = pairs[other, seat] = _both(runs[seat], runs[other])
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


def _runs(text: str) -> Runs:
    """How often each run of letters is in the text, by its length; spaces do not count."""
    plain = "".join(text[:LONGEST].split())
    return [
        Counter(plain[at : at + size] for at in range(len(plain) - size + 1))
        for size in range(1, ORDER + 1)
    ]


def _both(one: Runs, other: Runs) -> float:
    shares = _shares(one, other)
    return (_f(shares) + _f([(recall, precision) for precision, recall in shares])) / 2


def _shares(one: Runs, other: Runs) -> list[tuple[float, float]]:
    """For each length that both have: the share of one's runs in the other, and of the other's."""
    found = []
    for a, b in zip(one, other, strict=True):
        if a and b:
            both = _shared(a, b)
            found.append((both / a.total(), both / b.total()))
    return found


def _shared(one: Counter[str], other: Counter[str]) -> int:
    few, many = sorted((one, other), key=len)
    return sum(min(often, many[run]) for run, often in few.items() if run in many)


def _f(shares: list[tuple[float, float]]) -> float:
    if not shares:
        return 0.0
    precision, recall = (fmean(share) for share in zip(*shares, strict=True))
    below = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / below if below else 0.0
