"""Intervals by resampling: what else might have come out, had other instructions been drawn."""

import numpy as np
from numpy.typing import NDArray

from moagraph.evals.logistic import Array

TIMES = 1000
LEVEL = 95.0
SEED = 20240607

Interval = tuple[float, float]


def resamples(size: int, times: int = TIMES, seed: int = SEED) -> Array:
    """How often each of so many rows is in each resample; the same at every call."""
    if not size:
        return np.zeros((times, 0))
    dice = np.random.default_rng(seed)
    drawn: NDArray[np.int64] = dice.multinomial(size, np.full(size, 1 / size), size=times)
    return drawn.astype(np.float64)


def interval(values: Array) -> Interval | None:
    """The middle 95 % of the resamples that have a value."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def means(values: Array, counts: Array) -> Array:
    """The mean of each resample; NaN stands for what nobody judged."""
    known = ~np.isnan(values)
    size = counts[:, known].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = (counts[:, known] * values[known]).sum(1) / size
    return mean


def of_mean(values: Array) -> Interval | None:
    """The interval of a mean."""
    return interval(means(values, resamples(len(values)))) if len(values) > 1 else None
