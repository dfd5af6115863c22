"""A model's win rate, and its length-controlled one where that is what it may be called."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, interval, means, of_mean, resamples
from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.length_control.match_instructions import joined, same_baseline
from moagraph.evals.length_control.pairs import Pairs, mark
from moagraph.evals.length_control.win_rate import Judged, length_controlled, refitted
from moagraph.nodes.errors import UsageError

FEWEST = 0.5  # of the instructions: with fewer it is another set
FOREIGN = 0.05


@dataclass(frozen=True)
class Rate:
    """A win rate in percent, and where it might lie."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Score:
    """What a file of judgements says of one model."""

    model: str
    baseline: str
    n: int
    win: Rate
    lc: Rate | None
    why_not_lc: str = ""
    adjusted: Rate | None = None  # adjusted for length in the same way, but not comparable
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, object]:
        """As JSON."""
        return {
            "n": self.n,
            "win_rate": self.win.value,
            "win_rate_ci": self.win.interval,
            "lc_win_rate": self.lc and self.lc.value,
            "lc_win_rate_ci": self.lc and self.lc.interval,
        }


def score(pairs: Pairs, constants: Constants | None) -> Score:
    """Both rates with their intervals, or why there is only one."""
    in_order = sorted(pairs.pairs, key=lambda one: mark(one.instruction))  # whatever the rows' is
    targets = np.array([np.nan if one.target is None else one.target for one in in_order])
    known = targets[~np.isnan(targets)]
    win = Rate(float(100 * known.mean()), of_mean(100 * known))
    if constants is None:
        return _without(pairs, len(known), win, "there are no constants; give --constants FILE")
    places, how = joined(pairs.pairs, constants)
    notes = list(pairs.notes) + ([how] if how else [])
    why = _why_not(pairs, places, constants, notes)
    if not why and pairs.model == pairs.baseline:
        return Score(pairs.model, pairs.baseline, len(known), win, Rate(50.0, (50.0, 50.0)))
    adjusted = _adjusted(judged_of(pairs, places), constants)
    if adjusted is None:
        why = why or "the lengths do not vary, or fewer than 5 instructions are known"
    lc, other = (None, adjusted) if why else (adjusted, None)
    return Score(pairs.model, pairs.baseline, len(known), win, lc, why, other, tuple(notes))


def judged_of(pairs: Pairs, places: Sequence[int | None]) -> Judged:
    """The pairs whose instruction is known, in the order of the instructions."""
    both = zip(places, pairs.pairs, strict=True)
    known = [(place, pair) for place, pair in both if place is not None]
    found = sorted(known, key=lambda one: one[0])
    shorter = [pair.baseline_length - pair.model_length for _, pair in found]
    targets = [np.nan if pair.target is None else pair.target for _, pair in found]
    return Judged(
        np.array([place for place, _ in found], dtype=np.int64),
        np.array(targets, dtype=np.float64),
        np.array(shorter, dtype=np.float64),
    )


def _adjusted(judged: Judged, constants: Constants) -> Rate | None:
    fitted = length_controlled(judged, constants)
    if fitted is None:
        return None
    counts = resamples(len(judged.target))
    return Rate(fitted.win_rate, interval(refitted(judged, constants, counts, fitted.strength)))


def _why_not(
    pairs: Pairs, places: Sequence[int | None], constants: Constants, notes: list[str]
) -> str:
    """Why the number is no LC; what does not forbid it is noted."""
    known = sum(place is not None for place in places)
    foreign, size = len(places) - known, len(constants.lengths)
    if foreign > FOREIGN * len(places):
        return f"{foreign} of {len(places)} instructions are not of the set of {size}"
    if foreign:
        notes.append(f"{foreign} of {len(places)} instructions are of another set, not in the LC")
    if known < FEWEST * size:
        return f"{known} of the {size} instructions are fewer than half: another set"
    if known < size:
        notes.append(f"{size - known} of the {size} instructions are missing")
    if not same_baseline(pairs.pairs, places, constants):
        return f"the answers of {pairs.baseline!r} are not those of {constants.baseline!r}"
    if pairs.baseline != constants.baseline:
        notes.append(f"{pairs.baseline!r} gave the answers of {constants.baseline!r}")
    if pairs.judges and pairs.judges != (constants.judge,):
        return f"judged by {', '.join(pairs.judges)}, not by {constants.judge}"
    return ""


def _without(pairs: Pairs, n: int, win: Rate, why: str) -> Score:
    return Score(pairs.model, pairs.baseline, n, win, None, why, None, pairs.notes)


@dataclass(frozen=True)
class Difference:
    """How much more the first wins than the second, on the instructions that both answered."""

    n: int
    win: Rate
    lc: Rate | None


def difference(one: Pairs, other: Pairs, constants: Constants | None) -> Difference:
    """Paired: each resample has the same instructions for both."""
    mine, yours = ({mark(pair.instruction): pair for pair in side.pairs} for side in (one, other))
    both = [
        name
        for name in sorted(mine)
        if name in yours and None not in (mine[name].target, yours[name].target)
    ]
    if not both:
        raise UsageError("the two have no judged instruction in common")
    counts = resamples(len(both))
    sides = [
        Pairs(side.model, side.baseline, side.judges, tuple(have[name] for name in both))
        for side, have in ((one, mine), (other, yours))
    ]
    targets = [
        100 * np.array([pair.target for pair in side.pairs], dtype=np.float64) for side in sides
    ]
    gap = targets[0] - targets[1]
    win = Rate(float(gap.mean()), interval(means(gap, counts)) if len(both) > 1 else None)
    return Difference(len(both), win, _lc_difference(sides, constants, counts))


def _lc_difference(
    sides: Sequence[Pairs], constants: Constants | None, counts: Array
) -> Rate | None:
    """None where one of the two has no LC."""
    if constants is None:
        return None
    rates, drawn = [], []
    for side in sides:
        places, _ = joined(side.pairs, constants)
        if _why_not(side, places, constants, []) or None in places:
            return None
        order = np.argsort([place or 0 for place in places], kind="stable")
        judged = judged_of(side, places)
        fitted = length_controlled(judged, constants)
        if fitted is None:
            return None
        rates.append(fitted.win_rate)
        drawn.append(refitted(judged, constants, counts[:, order], fitted.strength))
    return Rate(rates[0] - rates[1], interval(drawn[0] - drawn[1]))
