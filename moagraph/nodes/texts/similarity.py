"""Measure the similarity of two texts by chrF: the share of short character n-grams in common."""

from collections import Counter
from collections.abc import Mapping
from statistics import fmean
from typing import TypeAlias

MAX_LENGTH = 20_000  # characters of a text that are compared
MAX_ORDER = 6  # characters of the longest n-gram
BETA = 2  # weight of recall against precision

NGrams: TypeAlias = list[Counter[str]]


def similarity(text: str, reference: str) -> float:
    """Return the symmetric similarity of two texts, from 0 to 1."""
    return _symmetric(_ngrams(text), _ngrams(reference))


def chrf(text: str, reference: str) -> float:
    """Return sacrebleu's chrF of a text as a translation of the reference, from 0 to 1."""
    return _f_score(_precision_and_recall(_ngrams(text), _ngrams(reference)))


def mean_similarity(texts: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, float]:
    """Return each text's similarity to all others, weighted by the others' weights."""
    ngrams = {seat: _ngrams(text) for seat, text in texts.items()}
    seats = list(texts)
    scores: dict[tuple[str, str], float] = {}
    for number, seat in enumerate(seats):
        for peer in seats[number + 1 :]:
            scores[seat, peer] = scores[peer, seat] = _symmetric(ngrams[seat], ngrams[peer])
    return {seat: _weighted_mean(seat, seats, scores, weights) for seat in seats}


def _weighted_mean(
    seat: str,
    seats: list[str],
    scores: Mapping[tuple[str, str], float],
    weights: Mapping[str, float],
) -> float:
    peers = [peer for peer in seats if peer != seat]
    total = sum(weights[peer] for peer in peers)
    weighted = sum(weights[peer] * scores[seat, peer] for peer in peers)
    return weighted / total if total else 0.0


def _ngrams(text: str) -> NGrams:
    """Count the character n-grams of each length; spaces are ignored."""
    plain = "".join(text[:MAX_LENGTH].split())
    return [
        Counter(plain[start : start + size] for start in range(len(plain) - size + 1))
        for size in range(1, MAX_ORDER + 1)
    ]


def _symmetric(first: NGrams, second: NGrams) -> float:
    shares = _precision_and_recall(first, second)
    swapped = [(recall, precision) for precision, recall in shares]
    return (_f_score(shares) + _f_score(swapped)) / 2


def _precision_and_recall(text: NGrams, reference: NGrams) -> list[tuple[float, float]]:
    """Return both shares for each length of n-grams that both texts have."""
    shares = []
    for own, expected in zip(text, reference, strict=True):
        if own and expected:
            common = _common(own, expected)
            shares.append((common / own.total(), common / expected.total()))
    return shares


def _common(first: Counter[str], second: Counter[str]) -> int:
    small, large = sorted((first, second), key=len)
    return sum(min(count, large[ngram]) for ngram, count in small.items() if ngram in large)


def _f_score(shares: list[tuple[float, float]]) -> float:
    if not shares:
        return 0.0
    precision, recall = (fmean(share) for share in zip(*shares, strict=True))
    divisor = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / divisor if divisor else 0.0
