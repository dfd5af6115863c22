"""Intervals by resampling: what else might have come out, had other instructions been drawn."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from moagraph.evals.length_control.logistic import Array

TIMES = 1000
AT_ONCE = 2_000_000  # draws in memory
LEVEL = 95.0
SEED = 20240607

Interval = tuple[float, float]


@lru_cache(maxsize=4)
def resamples(size: int, times: int = TIMES, seed: int = SEED) -> Array:
    """How often each of so many rows is in each resample; the same at every call."""
    if not size:
        return np.zeros((times, 0))
    drawn = _drawn(np.random.default_rng(seed), size, times)
    drawn.setflags(write=False)
    return drawn


def parts(size: int) -> Iterator[Array]:
    """The same resamples, some at a time where all of them would not fit the memory."""
    if size * TIMES <= AT_ONCE:
        yield resamples(size)
        return
    dice, some = np.random.default_rng(SEED), max(1, AT_ONCE // size)
    for begin in range(0, TIMES, some):
        yield _drawn(dice, size, min(some, TIMES - begin))


def _drawn(dice: np.random.Generator, size: int, times: int) -> Array:
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
    if not known.all():
        counts, values = counts[:, known], values[known]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = counts @ values / counts.sum(1)
    return mean


def of_mean(values: Array) -> Interval | None:
    """The interval of a mean."""
    if len(values) < 2:
        return None
    return interval(np.concatenate([means(values, counts) for counts in parts(len(values))]))
