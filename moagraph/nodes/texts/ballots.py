"""Combine rankings of several voters: Borda points, and how far the voters agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean


def ranks(best: Sequence[str], seats: Sequence[str]) -> dict[str, float]:
    """Return the rank of each seat, 1 the best; unnamed seats share the mean of the rest."""
    named = [seat for seat in best if seat in seats]
    rest = len(seats) - len(named)
    last = len(named) + (rest + 1) / 2
    return {seat: named.index(seat) + 1.0 if seat in named else last for seat in seats}


def borda_points(
    ballots: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], seats: Sequence[str]
) -> dict[str, float]:
    """Return the Borda points: a point for each seat ranked lower, times the voter's weight."""
    return {
        seat: sum(weights[voter] * (len(seats) - own[seat]) for voter, own in ballots.items())
        for seat in seats
    }


def concordance(ballots: Sequence[Mapping[str, float]], seats: Sequence[str]) -> float | None:
    """Return Kendall's W: 1 if all voters rank alike, 0 if their ranks cancel out."""
    voters, size = len(ballots), len(seats)
    if voters < 2 or size < 2:
        return None
    sums = [sum(ballot[seat] for ballot in ballots) for seat in seats]
    spread = sum((total - fmean(sums)) ** 2 for total in sums)
    ties = sum(n**3 - n for ballot in ballots for n in Counter(ballot.values()).values())
    maximum = voters**2 * (size**3 - size) - voters * ties
    return 12 * spread / maximum if maximum else None


def self_preference(
    ballots: Mapping[str, Mapping[str, float]], own_seats: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Return, by voter, the rank that it gives its own answer, and the mean of the others'."""
    preference = {}
    for voter, ballot in ballots.items():
        own = own_seats.get(voter, "")
        others = [peer[own] for name, peer in ballots.items() if own in peer and name != voter]
        if own in ballot and others:
            preference[voter] = (ballot[own], fmean(others))
    return preference
