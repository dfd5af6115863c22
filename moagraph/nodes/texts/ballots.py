"""Rankings of several voters as one: Borda's points, and how far the voters agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean


def ranks(named: Sequence[str], seats: Sequence[str]) -> dict[str, float]:
    """The rank of each seat, 1 the best; those that are not named share the ranks that are left."""
    best = [seat for seat in named if seat in seats]
    rest = len(seats) - len(best)
    last = len(best) + (rest + 1) / 2
    return {seat: best.index(seat) + 1.0 if seat in best else last for seat in seats}


def points(
    ballots: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], seats: Sequence[str]
) -> dict[str, float]:
    """Borda's: each voter gives a point for each seat behind, times the voter's weight."""
    return {
        seat: sum(weights[voter] * (len(seats) - said[seat]) for voter, said in ballots.items())
        for seat in seats
    }


def concordance(ballots: Sequence[Mapping[str, float]], seats: Sequence[str]) -> float | None:
    """Kendall's W: 1 where all voters rank alike, 0 where their ranks cancel out."""
    voters, size = len(ballots), len(seats)
    if voters < 2 or size < 2:
        return None
    sums = [sum(said[seat] for said in ballots) for seat in seats]
    spread = sum((one - fmean(sums)) ** 2 for one in sums)
    tied = sum(n**3 - n for said in ballots for n in Counter(said.values()).values())
    most = voters**2 * (size**3 - size) - voters * tied
    return 12 * spread / most if most else None


def favour(
    ballots: Mapping[str, Mapping[str, float]], own: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """By voter: the rank it gives its own answer, and that which the others give it."""
    found = {}
    for voter, said in ballots.items():
        mine = own.get(voter, "")
        others = [one[mine] for other, one in ballots.items() if mine in one and other != voter]
        if mine in said and others:
            found[voter] = (said[mine], fmean(others))
    return found
