"""A vote among result sets: queries that were written differently agree where their rows do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a query came to, and whether the order of its rows was asked for."""

    rows: list[tuple[Any, ...]]
    ordered: bool

    def agrees(self, other: "Result") -> bool:
        """The same rows as often; in the same order where both asked for one."""
        mine, theirs = (list(map(_plain, one.rows)) for one in (self, other))
        if self.ordered and other.ordered:
            return mine == theirs
        return Counter(mine) == Counter(theirs)


@dataclass(frozen=True)
class Elected:
    """Whose result most agree with, who they are, and whether others are as many."""

    seat: str
    agree: list[str]
    tie: bool


def elect(results: Mapping[str, Result]) -> Elected:
    """The result that most agree with; of several a set that is not empty, and has an order."""
    votes = {
        seat: [other for other in results if result.agrees(results[other])]
        for seat, result in results.items()
    }
    best = max(results, key=lambda s: (len(votes[s]), bool(results[s].rows), results[s].ordered))
    others = (seat for seat in results if seat not in votes[best])
    return Elected(best, votes[best], any(len(votes[o]) == len(votes[best]) for o in others))


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row without the last digits of its fractions, in which sums differ by their order."""
    return tuple(float(f"{cell:.9g}") if isinstance(cell, float) else cell for cell in row)
