"""Vote among result sets: different queries agree if they return the same rows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class QueryResult:
    """The rows of a query, and whether the query orders them."""

    rows: list[tuple[Any, ...]]
    ordered: bool

    def agrees(self, peer: "QueryResult") -> bool:
        """Return whether both have the same rows, in the same order if both queries order them."""
        mine, theirs = (list(map(_plain, result.rows)) for result in (self, peer))
        if self.ordered and peer.ordered:
            return mine == theirs
        return Counter(mine) == Counter(theirs)


@dataclass(frozen=True)
class Elected:
    """The seat with the most agreement, the seats that agree, and whether the vote is a tie."""

    seat: str
    agree: list[str]
    tie: bool


def elect(results: Mapping[str, QueryResult]) -> Elected:
    """Choose the result with the most agreement; prefer non-empty, then ordered results.

    Args:
        results: The result of each seat.
    """
    votes = {
        seat: [peer for peer in results if result.agrees(results[peer])]
        for seat, result in results.items()
    }
    best = max(results, key=lambda s: (len(votes[s]), bool(results[s].rows), results[s].ordered))
    others = (seat for seat in results if seat not in votes[best])
    return Elected(best, votes[best], any(len(votes[o]) == len(votes[best]) for o in others))


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Round floats to nine digits: the order of a sum changes its last digits."""
    return tuple(float(f"{cell:.9g}") if isinstance(cell, float) else cell for cell in row)
