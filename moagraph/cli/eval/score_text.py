"""Scores and their differences as `moa eval score` prints them."""

from collections.abc import Iterator

from moagraph.evals.length_control.pairs import Pairs
from moagraph.evals.length_control.score import Rate, Score, ScoreDifference
from moagraph.nodes.texts.printable import one_line


def score_lines(score: Score) -> Iterator[str]:
    """Both win rates, or why there is only one."""
    yield one_line(f"{score.model} against {score.baseline}, {score.n} instructions judged")
    yield f"win rate     {rate_text(score.win)}"
    if score.lc:
        yield f"LC win rate  {rate_text(score.lc)}"
    else:
        yield f"LC win rate  none: {one_line(score.why_not_lc)}"
    if score.adjusted:
        reason, rate = score.why_not_lc, rate_text(score.adjusted)
        yield one_line(f"length-adjusted (not LC: {reason}) {rate}")


def difference_lines(difference: ScoreDifference) -> Iterator[str]:
    """How much more the first file's model wins than the second's."""
    yield f"more than the other, on the {difference.n} instructions that both have"
    yield f"win rate     {rate_text(difference.win, '+')}"
    if difference.lc:
        yield f"LC win rate  {rate_text(difference.lc, '+')}"


def no_lc_reason(score: Score) -> str:
    """Why there is no LC win rate, with the length-adjusted one if there is that."""
    if score.adjusted is None:
        return score.why_not_lc
    return f"{score.why_not_lc}; length-adjusted it is {rate_text(score.adjusted)}"


def mismatch_notes(pairs: Pairs, other_pairs: Pairs, file: str) -> Iterator[str]:
    """The notes on a second file's rows, and how its judgements differ from the first's."""
    for note in other_pairs.notes:
        yield f"{file}: {note}"
    if other_pairs.baseline != pairs.baseline:
        yield f"{file}: compared with {other_pairs.baseline!r}, not with {pairs.baseline!r}"
    if other_pairs.judges != pairs.judges:
        judges, other_judges = (
            ", ".join(side.judges) or "nobody named" for side in (pairs, other_pairs)
        )
        yield f"{file}: judged by {other_judges}, not by {judges}"


def rate_text(rate: Rate, plus: str = "") -> str:
    """A rate with its interval; with `+` for `plus`, positive numbers have a sign."""
    value = f"{rate.value:{plus}.2f}"
    if rate.interval is None:
        return f"{value} (too few for an interval)"
    low, high = rate.interval
    return f"{value} (95 % interval {low:{plus}.2f} to {high:{plus}.2f})"
