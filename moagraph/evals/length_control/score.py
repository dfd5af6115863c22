"""Score a model's pairs: the win rate, and the LC win rate if the conditions for it hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import (
    Interval,
    mean_interval,
    percentile_interval,
    resample_counts,
    resample_means,
)
from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.length_control.match_instructions import has_same_baseline, match_instructions
from moagraph.evals.length_control.pairs import Pairs, hash_instruction
from moagraph.evals.length_control.win_rate import (
    MatchedPairs,
    fit_length_control,
    refit_resamples,
)
from moagraph.nodes.errors import UsageError

MIN_COVERED = 0.5  # the share of the set's instructions that makes it the same set
MAX_UNKNOWN = 0.05  # the share of pairs with instructions from elsewhere


@dataclass(frozen=True)
class Rate:
    """A win rate in percent, with its confidence interval."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Score:
    """The win rates of one model."""

    model: str
    baseline: str
    n: int
    win: Rate
    lc: Rate | None
    why_not_lc: str = ""
    adjusted: Rate | None = None  # the same fit where it may not be called LC
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the numbers as a JSON object."""
        return _rates_as_json(self.n, self.win, self.lc)


@dataclass(frozen=True)
class ScoreDifference:
    """The first model's win rates minus the second's, on the common instructions."""

    n: int
    win: Rate
    lc: Rate | None

    def as_json(self) -> dict[str, object]:
        """Return the numbers as a JSON object."""
        return _rates_as_json(self.n, self.win, self.lc)


def score_pairs(pairs: Pairs, constants: Constants | None) -> Score:
    """Compute both win rates with their intervals, or the reason why there is no LC win rate.

    Args:
        pairs: The model's pairs.
        constants: The baseline's constants; None for no LC win rate.
    """
    # Sorted, so that the order of the rows does not change the interval.
    in_order = sorted(pairs.pairs, key=lambda pair: hash_instruction(pair.instruction))
    targets = np.array([np.nan if pair.target is None else pair.target for pair in in_order])
    judged = targets[~np.isnan(targets)]
    model, baseline, n = pairs.model, pairs.baseline, len(judged)
    win = Rate(float(100 * judged.mean()), mean_interval(100 * judged))
    if constants is None:
        reason = "there are no constants; give --constants FILE"
        return Score(model, baseline, n, win, None, reason, None, pairs.notes)
    indices, match_note = match_instructions(pairs.pairs, constants)
    notes = list(pairs.notes) + ([match_note] if match_note else [])
    reason = _why_not_lc(pairs, indices, constants, notes)
    if not reason and model == baseline:
        return Score(model, baseline, n, win, Rate(50.0, (50.0, 50.0)))
    adjusted = _length_adjusted_rate(to_matched_pairs(pairs, indices), constants)
    if adjusted is None:
        reason = reason or "the lengths do not vary, or fewer than 5 instructions are judged"
    if reason:
        return Score(model, baseline, n, win, None, reason, adjusted, tuple(notes))
    return Score(model, baseline, n, win, adjusted, notes=tuple(notes))


def to_matched_pairs(pairs: Pairs, indices: Sequence[int | None]) -> MatchedPairs:
    """Return the pairs with a known instruction as arrays, in the order of the instructions.

    Args:
        pairs: The model's pairs.
        indices: The index of each pair's instruction; None for an unknown one.
    """
    matched = [
        (index, pair) for index, pair in zip(indices, pairs.pairs, strict=True) if index is not None
    ]
    matched.sort(key=lambda item: item[0])
    targets = [np.nan if pair.target is None else pair.target for _, pair in matched]
    differences = [pair.baseline_length - pair.model_length for _, pair in matched]
    return MatchedPairs(
        np.array([index for index, _ in matched], dtype=np.int64),
        np.array(targets, dtype=np.float64),
        np.array(differences, dtype=np.float64),
    )


def compare_pairs(first: Pairs, second: Pairs, constants: Constants | None) -> ScoreDifference:
    """Compare two models; each resample has the same instructions for both.

    Args:
        first: The model whose win rate counts positive.
        second: The model to compare with.
        constants: The baseline's constants; None for no LC win rate.
    """
    by_hash = [
        {hash_instruction(pair.instruction): pair for pair in pairs.pairs}
        for pairs in (first, second)
    ]
    common = [
        hash_
        for hash_ in sorted(by_hash[0])
        if all(hash_ in pairs and pairs[hash_].target is not None for pairs in by_hash)
    ]
    if not common:
        raise UsageError("the two have no judged instruction in common")
    counts = resample_counts(len(common))
    both = [
        Pairs(pairs.model, pairs.baseline, pairs.judges, tuple(lookup[hash_] for hash_ in common))
        for pairs, lookup in zip((first, second), by_hash, strict=True)
    ]
    targets = [100 * np.array([p.target for p in pairs.pairs], dtype=np.float64) for pairs in both]
    differences = targets[0] - targets[1]
    has_interval = len(common) > 1
    interval = percentile_interval(resample_means(differences, counts)) if has_interval else None
    win = Rate(float(differences.mean()), interval)
    return ScoreDifference(len(common), win, _lc_difference(both, constants, counts))


def _lc_difference(
    both: Sequence[Pairs], constants: Constants | None, counts: Array
) -> Rate | None:
    """Return the difference of the LC win rates; None if one of the two has none."""
    if constants is None:
        return None
    rates, resampled = [], []
    for pairs in both:
        indices, _ = match_instructions(pairs.pairs, constants)
        if _why_not_lc(pairs, indices, constants, []) or None in indices:
            return None
        matched = to_matched_pairs(pairs, indices)
        fitted = fit_length_control(matched, constants)
        if fitted is None:
            return None
        # `matched` is in another order than the columns of `counts`.
        order = np.argsort([index or 0 for index in indices], kind="stable")
        rates.append(fitted.win_rate)
        resampled.append(refit_resamples(matched, constants, counts[:, order], fitted.strength))
    return Rate(rates[0] - rates[1], percentile_interval(resampled[0] - resampled[1]))


def _length_adjusted_rate(pairs: MatchedPairs, constants: Constants) -> Rate | None:
    fitted = fit_length_control(pairs, constants)
    if fitted is None:
        return None
    counts = resample_counts(len(pairs.target))
    rates = refit_resamples(pairs, constants, counts, fitted.strength)
    return Rate(fitted.win_rate, percentile_interval(rates))


def _why_not_lc(
    pairs: Pairs, indices: Sequence[int | None], constants: Constants, notes: list[str]
) -> str:
    """Return why the rate may not be called LC, or an empty text; add notes on smaller gaps."""
    matched = sum(index is not None for index in indices)
    unknown, size = len(indices) - matched, len(constants.lengths)
    if unknown > MAX_UNKNOWN * len(indices):
        return f"{unknown} of {len(indices)} instructions are not of the set of {size}"
    if unknown:
        notes.append(f"{unknown} of {len(indices)} instructions are of another set, not in the LC")
    if matched < MIN_COVERED * size:
        return f"{matched} of the {size} instructions are fewer than half: another set"
    if matched < size:
        notes.append(f"{size - matched} of the {size} instructions are missing")
    if not has_same_baseline(pairs.pairs, indices, constants):
        return f"the answers of {pairs.baseline!r} are not those of {constants.baseline!r}"
    if pairs.baseline != constants.baseline:
        notes.append(f"{pairs.baseline!r} gave the answers of {constants.baseline!r}")
    if pairs.judges and pairs.judges != (constants.judge,):
        return f"judged by {', '.join(pairs.judges)}, not by {constants.judge}"
    return ""


def _rates_as_json(n: int, win: Rate, lc: Rate | None) -> dict[str, object]:
    return {
        "n": n,
        "win_rate": win.value,
        "win_rate_ci": win.interval,
        "lc_win_rate": lc and lc.value,
        "lc_win_rate_ci": lc and lc.interval,
    }
