"""How alike two questions are: pieces of their words and letters, hashed; small, offline, exact."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from math import log, log1p, sqrt
from typing import TypeAlias
from zlib import crc32

Vector: TypeAlias = dict[int, float]

SIZE = 4096
LETTERS = (3, 4)
CODE = re.compile(r"```|[{};]\s*$|\b(?:def|class|import|function|SELECT|#include)\b", re.MULTILINE)
MATH = re.compile(r"\d\s*[-+*/^=]\s*\d|\\frac|\\sum|\b(?:solve|integral|equation|prove)\b", re.I)


def vector(text: str) -> Vector:
    """The text as a direction: how long it is does not count."""
    counts = Counter(crc32(piece.encode()) % SIZE for piece in _pieces(text))
    return _unit({place: 1 + log(count) for place, count in counts.items()})


def shape(text: str) -> Vector:
    """What else is to be seen of a question: its length, code, sums; behind the hashed places."""
    seen = (
        log1p(len(text.split())) / 6,
        float(bool(CODE.search(text))),
        float(bool(MATH.search(text))),
        min(text.count("\n"), 20) / 20,
        min(len(re.findall(r"\d", text)), 20) / 20,
        1.0,
    )
    return {SIZE + number: value for number, value in enumerate(seen) if value}


def cosine(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """How much two directions have in common, from 0 to 1."""
    return sum(value * other[place] for place, value in one.items() if place in other)


def rarer(vectors: Iterable[Vector]) -> dict[int, float]:
    """How much a piece says: the fewer texts have it, the more."""
    every = list(vectors)
    seen = Counter(chain.from_iterable(every))
    return {place: log((1 + len(every)) / (1 + times)) + 1 for place, times in seen.items()}


def weighed(one: Vector, weights: Mapping[int, float]) -> Vector:
    """The direction with each piece weighed; what no text had says nothing."""
    both = one.keys() & weights.keys()
    return _unit({place: one[place] * weights[place] for place in both})


def _pieces(text: str) -> Iterable[str]:
    words = re.findall(r"\w+", text.casefold())
    yield from words
    for size in LETTERS:
        for word in words:
            told = f"<{word}>"
            yield from (told[i : i + size] for i in range(len(told) - size + 1))


def _unit(told: Vector) -> Vector:
    length = sqrt(sum(value * value for value in told.values()))
    return {place: value / length for place, value in told.items()} if length else {}
