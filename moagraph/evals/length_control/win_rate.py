"""The length-controlled win rate (arXiv 2404.04475): the win rate if lengths were equal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.folds import FOLDS, folds
from moagraph.evals.length_control.logistic import Array, fit, log_loss, scores, sigmoid

STRENGTHS = np.logspace(-4, 4, 10)
REGULARISER_WEIGHT = 0.1  # of each of its rows
MIN_JUDGED = 5
BATCH_SIZE = 50  # resamples that are fitted at once


@dataclass(frozen=True)
class MatchedPairs:
    """A model's pairs as arrays, in the order of the constants' instructions."""

    instruction: NDArray[np.int64]  # its index in the constants
    target: Array  # from 0, the baseline wins, to 1, the model wins; NaN without a preference
    length_difference: Array  # the baseline's characters minus the model's

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which pairs have a preference."""
        return ~np.isnan(self.target)

    def subset(self, rows: NDArray[np.int64]) -> "MatchedPairs":
        """Return the pairs with these indices; an index may repeat."""
        return MatchedPairs(self.instruction[rows], self.target[rows], self.length_difference[rows])


@dataclass(frozen=True)
class LengthControlFit:
    """The weights of length, difficulty and model, the regularisation, and the win rate."""

    length: float
    difficulty: float
    model: float
    strength: float
    win_rate: float


def fit_length_control(pairs: MatchedPairs, constants: Constants) -> LengthControlFit | None:
    """Fit the pairs; cross validation chooses the strength. None if lengths do not vary.

    Args:
        pairs: The model's pairs.
        constants: The baseline's constants.
    """
    if pairs.judged.sum() < MIN_JUDGED:
        return None
    if not _deviation(pairs.length_difference[None], None)[0] > 0:
        return None
    rows, target, weights = _design(pairs, constants)
    strength = _choose_strength(rows, target, weights)
    [coefficients] = fit(rows, target, weights[None], np.array([strength]))
    rate = equal_length_win_rate(coefficients, constants.difficulty[pairs.instruction])
    length, difficulty, model = (float(weight) for weight in coefficients)
    return LengthControlFit(length, difficulty, model, strength, rate)


def published_win_rate(model: str, constants: Constants) -> float:
    """Return the LC win rate by the leaderboard's weights for a model."""
    return equal_length_win_rate(np.array(constants.weights[model]), constants.difficulty)


def equal_length_win_rate(coefficients: Array, difficulty: Array) -> float:
    """Return the mean probability of a win, in percent, if both answers were equally long.

    Args:
        coefficients: The weights of length, difficulty and model.
        difficulty: The difficulty of each instruction.
    """
    return float(100 * sigmoid(coefficients[1] * difficulty + coefficients[2]).mean())


def refit_resamples(
    pairs: MatchedPairs, constants: Constants, counts: Array, strength: float
) -> Array:
    """Return the LC win rate of each resample.

    Args:
        pairs: The model's pairs.
        constants: The baseline's constants.
        counts: How often each pair is in each resample; one line for each resample.
        strength: The strength that the fit of all pairs chose.
    """
    return np.concatenate(
        [
            _refit_batch(pairs, constants, counts[start : start + BATCH_SIZE], strength)
            for start in range(0, len(counts), BATCH_SIZE)
        ]
    )


def _refit_batch(
    pairs: MatchedPairs, constants: Constants, counts: Array, strength: float
) -> Array:
    rows, target, weights = _design(pairs, constants)
    size = len(constants.regulariser)
    all_rows = np.repeat(rows[None], len(counts), axis=0)
    deviation = _deviation(pairs.length_difference[None], counts)
    all_rows[:, size:, 0] = np.tanh(pairs.length_difference / deviation[:, None])
    all_weights = np.repeat(weights[None], len(counts), axis=0)
    all_weights[:, size:] *= counts
    coefficients = fit(all_rows, target, all_weights, np.full(len(counts), strength))
    probabilities = sigmoid(scores(rows[size:, 1:], coefficients[:, 1:]))
    rate: Array = 100 * (probabilities * counts).sum(1) / counts.sum(1)
    return rate


def _design(pairs: MatchedPairs, constants: Constants) -> tuple[Array, Array, Array]:
    """Return rows, targets and weights: the regulariser's first, then the model's."""
    size = len(pairs.target)
    standardised = pairs.length_difference / _deviation(pairs.length_difference[None], None)[0]
    difficulty = constants.difficulty[pairs.instruction]
    model_rows = np.column_stack([np.tanh(standardised), difficulty, np.ones(size)])
    rows = np.vstack([constants.regulariser, model_rows])
    target = np.concatenate([constants.regulariser_target, np.nan_to_num(pairs.target)])
    regulariser_weights = np.full(len(constants.regulariser), REGULARISER_WEIGHT)
    return rows, target, np.concatenate([regulariser_weights, pairs.judged.astype(np.float64)])


def _deviation(differences: Array, counts: Array | None) -> Array:
    """Return the standard deviation of the length differences in each resample."""
    counts = np.ones_like(differences) if counts is None else counts
    size = counts.sum(1)
    mean = (counts * differences).sum(1) / size
    squares = (counts * (differences - mean[:, None]) ** 2).sum(1)
    deviation: Array = np.sqrt(squares / np.maximum(size - 1, 1))
    return deviation


def _choose_strength(rows: Array, target: Array, weights: Array) -> float:
    """Return the strength with the lowest loss on held-out rows."""
    has_weight = weights > 0
    fold = np.full(len(target), -1)
    fold[has_weight] = folds(int(has_weight.sum()))
    held_out = [fold == number for number in range(FOLDS)]
    training_weights = np.tile(
        np.array([weights * ~mask for mask in held_out]), (len(STRENGTHS), 1)
    )
    coefficients = fit(rows, target, training_weights, np.repeat(STRENGTHS, FOLDS))
    loss = weights * log_loss(scores(rows, coefficients), target)
    means = [line[held_out[number % FOLDS]].mean() for number, line in enumerate(loss)]
    best = np.reshape(means, (len(STRENGTHS), FOLDS)).mean(1).argmin()
    return float(STRENGTHS[best])
