"""The length-controlled win rate (arXiv 2404.04475): what would it be, were lengths the same?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.folds import FOLDS, folds
from moagraph.evals.length_control.logistic import Array, fit, log_loss, scores, sigmoid

STRENGTHS = np.logspace(-4, 4, 10)
REGULARISER = 0.1  # the weight of each of its rows
LEAST = 5
AT_ONCE = 50


@dataclass(frozen=True)
class Judged:
    """A model's rows in the order of the instructions: which, how judged, how much shorter."""

    instruction: NDArray[np.int64]
    target: Array  # from 0, the baseline wins, to 1, the model wins; NaN where nobody judged
    shorter: Array  # characters by which the model's answer is shorter than the baseline's

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a judgement."""
        return ~np.isnan(self.target)

    def of(self, rows: NDArray[np.int64]) -> "Judged":
        """Some of the rows."""
        return Judged(self.instruction[rows], self.target[rows], self.shorter[rows])


@dataclass(frozen=True)
class Fitted:
    """What a fit found: the weights of length, difficulty and model, and how strong it was."""

    length: float
    difficulty: float
    model: float
    strength: float
    win_rate: float


def length_controlled(judged: Judged, constants: Constants) -> Fitted | None:
    """The fit, with its strength chosen by cross validation; none where lengths do not vary."""
    if judged.known.sum() < LEAST or not _spread(judged.shorter[None], None)[0] > 0:
        return None
    rows, target, weights = _design(judged, constants)
    strength = _chosen(rows, target, weights)
    [found] = fit(rows, target, weights[None], np.array([strength]))
    rate = win_rate_of(found, constants.difficulty[judged.instruction])
    length, difficulty, model = (float(weight) for weight in found)
    return Fitted(length, difficulty, model, strength, rate)


def published(name: str, constants: Constants) -> float:
    """The length-controlled win rate of a model whose weights the leaderboard has."""
    return win_rate_of(np.array(constants.weights[name]), constants.difficulty)


def win_rate_of(found: Array, difficulty: Array) -> float:
    """The mean chance to win if both answers were equally long, in percent."""
    return float(100 * sigmoid(found[1] * difficulty + found[2]).mean())


def refitted(judged: Judged, constants: Constants, counts: Array, strength: float) -> Array:
    """The win rate of each resample: `counts` says how often it has each row."""
    return np.concatenate(
        [
            _refit(judged, constants, counts[at : at + AT_ONCE], strength)
            for at in range(0, len(counts), AT_ONCE)
        ]
    )


def _refit(judged: Judged, constants: Constants, counts: Array, strength: float) -> Array:
    rows, target, weights = _design(judged, constants)
    fixed = len(constants.regulariser)
    many = np.repeat(rows[None], len(counts), axis=0)
    spread = _spread(judged.shorter[None], counts)
    many[:, fixed:, 0] = np.tanh(judged.shorter / spread[:, None])
    heavy = np.repeat(weights[None], len(counts), axis=0)
    heavy[:, fixed:] *= counts
    found = fit(many, target, heavy, np.full(len(counts), strength))
    chances = sigmoid(scores(rows[fixed:, 1:], found[:, 1:]))
    rate: Array = 100 * (chances * counts).sum(1) / counts.sum(1)
    return rate


def _design(judged: Judged, constants: Constants) -> tuple[Array, Array, Array]:
    """The regulariser's rows and behind them the model's, their targets and weights."""
    size = len(judged.target)
    standard = judged.shorter / _spread(judged.shorter[None], None)[0]
    difficulty = constants.difficulty[judged.instruction]
    own = np.column_stack([np.tanh(standard), difficulty, np.ones(size)])
    rows = np.vstack([constants.regulariser, own])
    target = np.concatenate([constants.regulariser_target, np.nan_to_num(judged.target)])
    light = np.full(len(constants.regulariser), REGULARISER)
    return rows, target, np.concatenate([light, judged.known.astype(np.float64)])


def _spread(shorter: Array, counts: Array | None) -> Array:
    """The standard deviation of the differences in length, by resample."""
    counts = np.ones_like(shorter) if counts is None else counts
    size = counts.sum(1)
    mean = (counts * shorter).sum(1) / size
    squares = (counts * (shorter - mean[:, None]) ** 2).sum(1)
    spread: Array = np.sqrt(squares / np.maximum(size - 1, 1))
    return spread


def _chosen(rows: Array, target: Array, weights: Array) -> float:
    """The strength whose fits say best what they were not shown."""
    held = weights > 0
    fold = np.full(len(target), -1)
    fold[held] = folds(int(held.sum()))
    out = [fold == number for number in range(FOLDS)]
    shown = np.array([weights * ~one for one in out])
    found = fit(rows, target, np.tile(shown, (len(STRENGTHS), 1)), np.repeat(STRENGTHS, FOLDS))
    loss = weights * log_loss(scores(rows, found), target)
    means = [line[out[number % FOLDS]].mean() for number, line in enumerate(loss)]
    best = np.reshape(means, (len(STRENGTHS), FOLDS)).mean(1).argmin()
    return float(STRENGTHS[best])
