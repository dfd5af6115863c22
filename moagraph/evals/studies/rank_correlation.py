"""Rank correlations: Spearman's, Kendall's, and the partial correlation of pooled rankings."""

from collections.abc import Sequence

import numpy as np

from moagraph.evals.length_control.logistic import Array


def spearman_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Spearman's rank correlation; NaN if either is constant."""
    return correlation(ranks(x), ranks(y))


def kendall_tau(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Kendall's tau-b; NaN if either is constant."""
    return tau(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))


def ranks(values: Sequence[float]) -> Array:
    """Return ranks from 1; equal values share their mean rank."""
    array = np.asarray(values, dtype=np.float64)
    below = (array[:, None] > array[None]).sum(1)
    equal = (array[:, None] == array[None]).sum(1)
    mean_ranks: Array = below + (equal + 1) / 2
    return mean_ranks


def correlation(x: Array, y: Array) -> float:
    """Return Pearson's correlation; NaN if either is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else float("nan")


def tau(x: Array, y: Array) -> float:
    """Return Kendall's tau-b; NaN if either is constant."""
    x_signs, y_signs = (np.sign(values[:, None] - values) for values in (x, y))
    size = float(np.sqrt((x_signs**2).sum() * (y_signs**2).sum()))
    return float((x_signs * y_signs).sum()) / size if size else float("nan")


def product_sums(x: Array, control: Array, y: Array) -> list[float]:
    """Return the sums of products that a partial correlation needs.

    They are additive, so questions can be pooled and resampled. The order is xx, cc, yy, xc, xy,
    cy, each centred within the question.
    """
    centred = [values - values.mean() for values in (x, control, y)]
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    return [float(centred[a] @ centred[b]) for a, b in pairs]


def partial_correlation(sums: Array) -> Array:
    """Return the correlation of x and y without the control, for each row of product sums."""
    xx, cc, yy, xc, xy, cy = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = xy - xc * cy / cc
        size = (xx - xc**2 / cc) * (yy - cy**2 / cc)
        partial: Array = covariance / np.sqrt(size)
    return partial
