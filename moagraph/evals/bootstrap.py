"""Confidence intervals by the bootstrap: how much a value varies with the sampled questions."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from moagraph.evals.length_control.logistic import Array

RESAMPLES = 1000
MAX_COUNTS = 2_000_000  # resample counts in memory at once
CONFIDENCE = 95.0  # percent
SEED = 20240607

Interval = tuple[float, float]


@lru_cache(maxsize=4)
def resample_counts(size: int, times: int = RESAMPLES, seed: int = SEED) -> Array:
    """Return how often each row is in each resample; equal arguments give equal resamples.

    Args:
        size: The number of rows.
        times: The number of resamples.
        seed: The seed of the random generator.

    Returns:
        A read-only array of shape (times, size).
    """
    if not size:
        return np.zeros((times, 0))
    counts = _draw(np.random.default_rng(seed), size, times)
    counts.setflags(write=False)
    return counts


def resample_batches(size: int) -> Iterator[Array]:
    """Yield the same resamples in batches, so that a large data set fits in memory."""
    if size * RESAMPLES <= MAX_COUNTS:
        yield resample_counts(size)
        return
    generator, batch_size = np.random.default_rng(SEED), max(1, MAX_COUNTS // size)
    for start in range(0, RESAMPLES, batch_size):
        yield _draw(generator, size, min(batch_size, RESAMPLES - start))


def _draw(generator: np.random.Generator, size: int, times: int) -> Array:
    counts: NDArray[np.int64] = generator.multinomial(size, np.full(size, 1 / size), size=times)
    return counts.astype(np.float64)


def percentile_interval(values: Array) -> Interval | None:
    """Return the middle 95 % of the values of resamples; NaN values do not count."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [50 - CONFIDENCE / 2, 50 + CONFIDENCE / 2])
    return float(low), float(high)


def resample_means(values: Array, counts: Array) -> Array:
    """Return the mean of each resample.

    Args:
        values: One value per row; NaN for a row without a verdict, which does not count.
        counts: How often each row is in each resample.
    """
    judged = ~np.isnan(values)
    if not judged.all():
        counts, values = counts[:, judged], values[judged]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = counts @ values / counts.sum(1)
    return mean


def mean_interval(values: Array) -> Interval | None:
    """Return the interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    batches = resample_batches(len(values))
    return percentile_interval(
        np.concatenate([resample_means(values, counts) for counts in batches])
    )
