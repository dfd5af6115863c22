"""Compare answers two by two: which pairs to compare, and how strong each answer is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]
TIE = "tie"
MAX_ITERATIONS = 10_000  # of the fit; decisive tournaments converge slowly
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Match:
    """Two answers, and the better one in either order; None if a verdict cannot be read."""

    pair: Pair
    forward: str | None
    backward: str | None

    @property
    def is_decided(self) -> bool:
        """Whether both orders have named a winner."""
        return {self.forward, self.backward} <= {*self.pair}

    @property
    def is_flipped(self) -> bool:
        """Whether the winner changed with the order."""
        return self.is_decided and self.forward != self.backward

    @property
    def wins(self) -> dict[str, float]:
        """How many of the two games each answer has won; a tie is half a win for both."""
        verdicts = [verdict for verdict in (self.forward, self.backward) if verdict is not None]
        ties = verdicts.count(TIE) / 2
        return {seat: verdicts.count(seat) + ties for seat in self.pair}


def parse_verdict(text: str, order: Sequence[str]) -> str | None:
    """Parse the better of two answers from the last line that says 1, 2 or tie."""
    for line in reversed(text.splitlines()):
        words = {word.lower() for word in re.findall(r"\b(?:1|2|tie)\b", line, re.IGNORECASE)}
        if len(words) == 1:
            (word,) = words
            return TIE if word == TIE else order[int(word) - 1]
        if words:
            return None
    return None


def select_pairs(seats: Sequence[str], limit: int | None = None) -> list[Pair]:
    """Return every pair, neighbours first; with a limit, each seat occurs about equally often."""
    size = len(seats)
    pairs: list[Pair] = []
    for distance in range(1, size // 2 + 1):
        ring = [(seats[n], seats[(n + distance) % size]) for n in range(size)]
        pairs += ring[: size // 2] if 2 * distance == size else ring
    return pairs if limit is None else pairs[:limit]


def bradley_terry(seats: Sequence[str], matches: Iterable[Match]) -> dict[str, float]:
    """Return the Bradley-Terry strengths: the odds at which each answer beats an average one.

    Each answer gets one more game, a tie against an average answer: so an answer that has won
    all its games has a finite strength, and one that was not compared is average.
    """
    played = list(matches)
    strength = dict.fromkeys(seats, 1.0)
    wins = {seat: 0.5 + sum(match.wins.get(seat, 0.0) for match in played) for seat in seats}
    for _ in range(MAX_ITERATIONS):
        new = {seat: wins[seat] / _expected_games(seat, strength, played) for seat in seats}
        change = max((abs(new[seat] / strength[seat] - 1) for seat in seats), default=0.0)
        strength = new
        if change < TOLERANCE:
            break
    return strength


def _expected_games(seat: str, strength: dict[str, float], played: list[Match]) -> float:
    games = 1 / (strength[seat] + 1.0)
    for match in played:
        if seat in match.pair:
            opponent = match.pair[1] if match.pair[0] == seat else match.pair[0]
            games += sum(match.wins.values()) / (strength[seat] + strength[opponent])
    return games
