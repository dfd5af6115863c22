"""Comparing answers two by two: which pairs are asked, and how strong each answer comes out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]
TIE = "tie"
ROUNDS = 200  # of the fit, which needs far fewer
CLOSE = 1e-9


@dataclass(frozen=True)
class Match:
    """Two answers, and which was found better in either order; None where it cannot be read."""

    pair: Pair
    there: str | None
    back: str | None

    @property
    def both(self) -> bool:
        """Whether either order has named a winner."""
        return {self.there, self.back} <= {*self.pair}

    @property
    def flipped(self) -> bool:
        """Whether the winner changed with the order."""
        return self.both and self.there != self.back

    @property
    def won(self) -> dict[str, float]:
        """How many of the two games each has won; a tie is half a win for both."""
        said = [verdict for verdict in (self.there, self.back) if verdict is not None]
        ties = said.count(TIE) / 2
        return {seat: said.count(seat) + ties for seat in self.pair}


def verdict(said: str, order: Sequence[str]) -> str | None:
    """The better of the two as the last line that says 1, 2 or tie has it."""
    for line in reversed(said.splitlines()):
        named = {word.lower() for word in re.findall(r"\b(?:1|2|tie)\b", line, re.IGNORECASE)}
        if len(named) == 1:
            (word,) = named
            return TIE if word == TIE else order[int(word) - 1]
        if named:
            return None
    return None


def pairs(seats: Sequence[str], most: int | None = None) -> list[Pair]:
    """Every pair, near ones first; at most so many, and then each seat about as often."""
    size = len(seats)
    found: list[Pair] = []
    for apart in range(1, size // 2 + 1):
        ring = [(seats[n], seats[(n + apart) % size]) for n in range(size)]
        found += ring[: size // 2] if 2 * apart == size else ring
    return found if most is None else found[:most]


def strengths(seats: Sequence[str], matches: Iterable[Match]) -> dict[str, float]:
    """Bradley-Terry: the odds at which each answer beats an average one.

    Each has played one more game, a tie against that average one: so whoever has won all has a
    strength that ends somewhere, and whoever was not compared stands in the middle.
    """
    played = list(matches)
    strong = dict.fromkeys(seats, 1.0)
    wins = {seat: 0.5 + sum(match.won.get(seat, 0.0) for match in played) for seat in seats}
    for _ in range(ROUNDS):
        new = {seat: wins[seat] / _expected(seat, strong, played) for seat in seats}
        moved = max((abs(new[seat] - strong[seat]) for seat in seats), default=0.0)
        strong = new
        if moved < CLOSE:
            break
    return strong


def _expected(seat: str, strong: dict[str, float], played: list[Match]) -> float:
    games = 1 / (strong[seat] + 1.0)
    for match in played:
        if seat in match.pair:
            other = match.pair[1] if match.pair[0] == seat else match.pair[0]
            games += sum(match.won.values()) / (strong[seat] + strong[other])
    return games
