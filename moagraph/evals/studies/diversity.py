"""Self-MoA's regression of a mixture's score on the quality and diversity of its proposers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moagraph.evals.length_control.logistic import Array
from moagraph.evals.results import Results
from moagraph.evals.similarity import TfIdf, vendi_score
from moagraph.evals.summary import values_by_turn
from moagraph.nodes.errors import UsageError

MIN_MIXTURES = 4  # the regression has three coefficients, and the variance needs one more row


@dataclass(frozen=True)
class MixtureScores:
    """A mixture's score, the mean score of its proposers alone, and their diversity."""

    name: str
    quality: float
    diversity: float
    outcome: float


@dataclass(frozen=True)
class Regression:
    """outcome = quality * q + diversity * d + constant, on q and d scaled to mean 0 and sd 1."""

    name: str
    quality: float
    quality_error: float
    diversity: float
    diversity_error: float
    r2: float
    n: int | None  # of mixtures; None if it was not published


def fit_regression(name: str, mixtures: Sequence[MixtureScores]) -> Regression:
    """Fit ordinary least squares, with standard errors.

    Args:
        name: The name of the result.
        mixtures: At least four mixtures whose quality and diversity vary independently.
    """
    if len(mixtures) < MIN_MIXTURES:
        raise UsageError(
            f"{len(mixtures)} mixtures are too few for a regression: it needs {MIN_MIXTURES}"
        )
    columns = [
        _standardized([mixture.quality for mixture in mixtures]),
        _standardized([mixture.diversity for mixture in mixtures]),
    ]
    rows = np.column_stack([*columns, np.ones(len(mixtures))])
    outcome = np.array([mixture.outcome for mixture in mixtures])
    slopes, _, rank, _ = np.linalg.lstsq(rows, outcome, rcond=None)
    if rank < 3:
        raise UsageError(
            "quality and diversity do not vary independently, so their effects cannot be separated"
        )
    residuals = outcome - rows @ slopes
    variance = float(residuals @ residuals) / (len(mixtures) - 3)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(rows.T @ rows)))
    total = float(((outcome - outcome.mean()) ** 2).sum())
    return Regression(
        name,
        quality=float(slopes[0]),
        quality_error=float(errors[0]),
        diversity=float(slopes[1]),
        diversity_error=float(errors[1]),
        r2=1 - float(residuals @ residuals) / total if total else float("nan"),
        n=len(mixtures),
    )


def score_mixtures(results: Results, judge: str) -> list[MixtureScores]:
    """Return the run's mixtures whose proposers were also judged as single models."""
    scores = _mean_scores(results, judge)
    similarity = TfIdf([row["answer"] for row in results.answers])
    mixtures = []
    for system in results.systems:
        layers = [
            row["layers"][0]["proposals"]
            for row in results.answers_by_turn(system).values()
            if row["layers"]
        ]
        models = [proposal["model"] for layer in layers[:1] for proposal in layer]
        if system in scores and len(models) > 1 and all(model in scores for model in models):
            texts = [[p["text"] for p in layer if p["ok"]] for layer in layers]
            diversity = float(np.mean([vendi_score(answers, similarity) for answers in texts]))
            quality = float(np.mean([scores[model] for model in models]))
            mixtures.append(MixtureScores(system, quality, diversity, scores[system]))
    return mixtures


def published_regressions(rows: Sequence[Sequence[Any]]) -> list[Regression]:
    """Convert the rows of Self-MoA's table 4: both slopes with their errors, and R2."""
    return [
        Regression(name, q, q_error, d, d_error, r2, None)
        for name, q, q_error, d, d_error, r2 in rows
    ]


def _mean_scores(results: Results, judge: str) -> dict[str, float]:
    means = {}
    for system in results.systems:
        rows = [
            row for row in results.verdicts if row["system"] == system and row["judge"] == judge
        ]
        if values := values_by_turn(rows):
            means[system] = float(np.mean(list(values.values())))
    return means


def _standardized(values: Sequence[float]) -> Array:
    array = np.array(values, dtype=np.float64)
    standardized: Array = (array - array.mean()) / (array.std() or 1.0)
    return standardized
