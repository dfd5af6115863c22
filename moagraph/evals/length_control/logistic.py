"""Many small logistic regressions with an L1 penalty and no intercept, solved side by side."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS = 60
SWEEPS = 100
HALVINGS = 30
CLOSE = 1e-9


def fit(rows: Array, target: Array, weights: Array, strength: Array) -> Array:
    """The coefficients of each problem: a row of `weights` and an entry of `strength` make one.

    What is minimised is |w| + strength * sum(weights * log loss), as liblinear states it; the
    target may lie anywhere from 0 to 1. `rows` is shared, or has one more axis, the problems'.
    """
    found = np.zeros((len(strength), rows.shape[-1]))
    price = strength[:, None] * weights
    cost = _cost(rows, target, price, found)
    for _ in range(STEPS):
        step = _step(rows, target, price, found)
        found, cost, moved = _descend(rows, target, price, found, step, cost)
        if moved < CLOSE:
            break
    return found


def scores(rows: Array, found: Array) -> Array:
    """The linear score of each row, problem by problem."""
    if rows.ndim == 2:
        return found @ rows.T
    scored: Array = (rows @ found[:, :, None])[:, :, 0]
    return scored


def log_loss(scored: Array, target: Array) -> Array:
    """How bad each score is for its target."""
    loss: Array = np.logaddexp(0.0, scored) - target * scored
    return loss


def sigmoid(scored: Array) -> Array:
    """The probability that a score stands for."""
    probability: Array = np.exp(-np.logaddexp(0.0, -scored))
    return probability


def _cost(rows: Array, target: Array, price: Array, found: Array) -> Array:
    loss = log_loss(scores(rows, found), target)
    total: Array = np.abs(found).sum(1) + (price * loss).sum(1)
    return total


def _step(rows: Array, target: Array, price: Array, found: Array) -> Array:
    """Newton's step under the penalty: a quadratic model, minimised coordinate by coordinate."""
    share = sigmoid(scores(rows, found))
    columns = np.swapaxes(rows, -1, -2)
    slope = (columns @ (price * (share - target))[:, :, None])[:, :, 0]
    bend = (columns * (price * share * (1 - share))[:, None, :]) @ rows
    bend = bend + 1e-9 * np.eye(rows.shape[-1])
    step = np.zeros_like(found)
    for _ in range(SWEEPS):
        before = step.copy()
        for at in range(step.shape[1]):
            own = bend[:, at, at]
            here = found[:, at] + step[:, at]
            aim = here - (slope[:, at] + (bend[:, at] * step).sum(1)) / own
            step[:, at] += np.sign(aim) * np.maximum(np.abs(aim) - 1 / own, 0) - here
        if np.abs(step - before).max() < 1e-3 * CLOSE:
            break
    return step


def _descend(
    rows: Array, target: Array, price: Array, found: Array, step: Array, cost: Array
) -> tuple[Array, Array, float]:
    """Go the step, or as much of it as makes nothing worse."""
    part = np.ones(len(found))
    for _ in range(HALVINGS):
        tried = found + part[:, None] * step
        reached = _cost(rows, target, price, tried)
        worse = reached > cost + 1e-12 * np.abs(cost)
        if not worse.any():
            break
        part[worse] /= 2
    else:
        part[worse] = 0
        tried = found + part[:, None] * step
        reached = np.where(worse, cost, reached)
    return tried, reached, float(np.abs(tried - found).max())
