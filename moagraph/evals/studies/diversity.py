"""Do good or different proposals make a good answer? Self-MoA's regression on both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moagraph.evals.length_control.logistic import Array
from moagraph.evals.results import Results, Row
from moagraph.evals.similarity import TfIdf, vendi
from moagraph.evals.summary import by_question
from moagraph.nodes.errors import UsageError

FEWEST = 4  # mixtures: two slopes and a constant leave nothing over with three


@dataclass(frozen=True)
class Mixture:
    """A mixture: how good its proposers are alone, how different they are, how good it is."""

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
    n: int | None


def regression(name: str, mixtures: Sequence[Mixture]) -> Regression:
    """Ordinary least squares with the usual standard errors."""
    if len(mixtures) < FEWEST:
        raise UsageError(f"{len(mixtures)} mixtures are too few to regress on: {FEWEST} at least")
    columns = [
        _scaled([one.quality for one in mixtures]),
        _scaled([one.diversity for one in mixtures]),
    ]
    rows = np.column_stack([*columns, np.ones(len(mixtures))])
    outcome = np.array([one.outcome for one in mixtures])
    slopes, _, rank, _ = np.linalg.lstsq(rows, outcome, rcond=None)
    if rank < 3:
        raise UsageError(
            "quality and diversity do not vary, or only together: nothing to tell apart"
        )
    left = outcome - rows @ slopes
    spread = float(left @ left) / (len(mixtures) - 3)
    errors = np.sqrt(spread * np.diag(np.linalg.inv(rows.T @ rows)))
    total = float(((outcome - outcome.mean()) ** 2).sum())
    share = 1 - float(left @ left) / total if total else float("nan")
    return Regression(
        name,
        float(slopes[0]),
        float(errors[0]),
        float(slopes[1]),
        float(errors[1]),
        share,
        len(mixtures),
    )


def mixtures(results: Results, judge: str) -> list[Mixture]:
    """The run's mixtures whose proposers were also judged alone."""
    values = {
        system: by_question(row for row in results.verdicts if _by(row, system, judge))
        for system in results.systems
    }
    alone = {name: float(np.mean(list(said.values()))) for name, said in values.items() if said}
    texts = TfIdf([row["answer"] for row in results.answers])
    found = []
    for system in results.systems:
        first = [
            row["layers"][0]["proposals"] for row in results.of(system).values() if row["layers"]
        ]
        models = [seat["model"] for row in first[:1] for seat in row]
        if system in alone and len(models) > 1 and all(model in alone for model in models):
            spread = [vendi([seat["text"] for seat in row if seat["ok"]], texts) for row in first]
            quality = float(np.mean([alone[model] for model in models]))
            found.append(Mixture(system, quality, float(np.mean(spread)), alone[system]))
    return found


def published(rows: Sequence[Sequence[Any]]) -> list[Regression]:
    """Self-MoA's table 4: of each data set both slopes with their errors, and the share told."""
    return [
        Regression(name, q, q_error, d, d_error, r2, None)
        for name, q, q_error, d, d_error, r2 in rows
    ]


def _by(row: Row, system: str, judge: str) -> bool:
    return bool(row["system"] == system and row["judge"] == judge)


def _scaled(values: Sequence[float]) -> Array:
    said = np.array(values, dtype=np.float64)
    scaled: Array = (said - said.mean()) / (said.std() or 1.0)
    return scaled
