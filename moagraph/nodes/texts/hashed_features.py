"""Compare questions by hashed words and letter n-grams: small, offline and deterministic."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from math import log, log1p, sqrt
from typing import TypeAlias
from zlib import crc32

Vector: TypeAlias = dict[int, float]

SIZE = 4096
NGRAM_SIZES = (3, 4)
CODE = re.compile(r"```|[{};]\s*$|\b(?:def|class|import|function|SELECT|#include)\b", re.MULTILINE)
MATH = re.compile(r"\d\s*[-+*/^=]\s*\d|\\frac|\\sum|\b(?:solve|integral|equation|prove)\b", re.I)


def text_vector(text: str) -> Vector:
    """Return the text's features as a unit vector: its length does not count."""
    counts = Counter(crc32(feature.encode()) % SIZE for feature in _features(text))
    return _normalise({index: 1 + log(count) for index, count in counts.items()})


def shape_features(text: str) -> Vector:
    """Return a question's length, code and numbers as features after the hashed ones."""
    values = (
        log1p(len(text.split())) / 6,
        float(bool(CODE.search(text))),
        float(bool(MATH.search(text))),
        min(text.count("\n"), 20) / 20,
        min(len(re.findall(r"\d", text)), 20) / 20,
        1.0,
    )
    return {SIZE + number: value for number, value in enumerate(values) if value}


def cosine(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """Return the cosine of two unit vectors."""
    return sum(value * second[index] for index, value in first.items() if index in second)


def inverse_frequencies(vectors: Iterable[Vector]) -> dict[int, float]:
    """Return each feature's weight: the fewer texts have it, the higher."""
    every = list(vectors)
    frequencies = Counter(chain.from_iterable(every))
    total = len(every)
    return {index: log((1 + total) / (1 + count)) + 1 for index, count in frequencies.items()}


def weight_features(vector: Vector, weights: Mapping[int, float]) -> Vector:
    """Return the vector with weighted features; a feature without a weight is dropped."""
    common = vector.keys() & weights.keys()
    return _normalise({index: vector[index] * weights[index] for index in common})


def _features(text: str) -> Iterable[str]:
    words = re.findall(r"\w+", text.casefold())
    yield from words
    for size in NGRAM_SIZES:
        for word in words:
            padded = f"<{word}>"
            yield from (padded[i : i + size] for i in range(len(padded) - size + 1))


def _normalise(vector: Vector) -> Vector:
    length = sqrt(sum(value * value for value in vector.values()))
    return {index: value / length for index, value in vector.items()} if length else {}
