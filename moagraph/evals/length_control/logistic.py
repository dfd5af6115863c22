"""Many small logistic regressions with an L1 penalty and no intercept, solved in one batch."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEWTON_STEPS = 60
SWEEPS = 100
HALVINGS = 30
TOLERANCE = 1e-9


def fit(rows: Array, target: Array, weights: Array, strength: Array) -> Array:
    """Fit the coefficients of each problem.

    A problem minimises |w| + strength * sum(weights * log loss), as liblinear states it.

    Args:
        rows: The design matrix of all problems; with a third, first axis, one for each problem.
        target: The target of each row, anywhere from 0 to 1.
        weights: The weight of each row; one line for each problem.
        strength: The inverse of the regularisation; one entry for each problem.

    Returns:
        One line of coefficients for each problem.
    """
    coefficients = np.zeros((len(strength), rows.shape[-1]))
    price = strength[:, None] * weights
    cost = _cost(rows, target, price, coefficients)
    for _ in range(NEWTON_STEPS):
        step = _newton_step(rows, target, price, coefficients)
        coefficients, cost, change = _descend(rows, target, price, coefficients, step, cost)
        if change < TOLERANCE:
            break
    return coefficients


def scores(rows: Array, coefficients: Array) -> Array:
    """Return the linear score of each row, one line for each problem."""
    if rows.ndim == 2:
        return coefficients @ rows.T
    scored: Array = (rows @ coefficients[:, :, None])[:, :, 0]
    return scored


def log_loss(scored: Array, target: Array) -> Array:
    """Return the log loss of each linear score."""
    loss: Array = np.logaddexp(0.0, scored) - target * scored
    return loss


def sigmoid(scored: Array) -> Array:
    """Return the probability of each linear score."""
    probability: Array = np.exp(-np.logaddexp(0.0, -scored))
    return probability


def _cost(rows: Array, target: Array, price: Array, coefficients: Array) -> Array:
    loss = log_loss(scores(rows, coefficients), target)
    total: Array = np.abs(coefficients).sum(1) + (price * loss).sum(1)
    return total


def _newton_step(rows: Array, target: Array, price: Array, coefficients: Array) -> Array:
    """Minimise the quadratic model with the penalty, coordinate by coordinate."""
    probability = sigmoid(scores(rows, coefficients))
    columns = np.swapaxes(rows, -1, -2)
    gradient = (columns @ (price * (probability - target))[:, :, None])[:, :, 0]
    hessian = (columns * (price * probability * (1 - probability))[:, None, :]) @ rows
    hessian = hessian + 1e-9 * np.eye(rows.shape[-1])
    step = np.zeros_like(coefficients)
    for _ in range(SWEEPS):
        before = step.copy()
        for k in range(step.shape[1]):
            curvature = hessian[:, k, k]
            current = coefficients[:, k] + step[:, k]
            aim = current - (gradient[:, k] + (hessian[:, k] * step).sum(1)) / curvature
            shrunk = np.sign(aim) * np.maximum(np.abs(aim) - 1 / curvature, 0)
            step[:, k] += shrunk - current
        if np.abs(step - before).max() < 1e-3 * TOLERANCE:
            break
    return step


def _descend(
    rows: Array, target: Array, price: Array, coefficients: Array, step: Array, cost: Array
) -> tuple[Array, Array, float]:
    """Take the step, halved until no problem's cost grows; return the largest change last."""
    size = np.ones(len(coefficients))
    for _ in range(HALVINGS):
        new = coefficients + size[:, None] * step
        new_cost = _cost(rows, target, price, new)
        worse = new_cost > cost + 1e-12 * np.abs(cost)
        if not worse.any():
            break
        size[worse] /= 2
    else:
        size[worse] = 0
        new = coefficients + size[:, None] * step
        new_cost = np.where(worse, cost, new_cost)
    return new, new_cost, float(np.abs(new - coefficients).max())
