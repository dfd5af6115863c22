"""Is an answer more like the better of some proposals? The paper's figure 4b, with its controls.

Within each question the judged answers stand for the proposals: how alike each is to a target
answer is ranked against how much the judge liked it. A target that never saw any of them and
length alone are the controls; the partial value is what is left once length is accounted for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, interval, resamples
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.similarity import Bleu, Shared, Similarity, TfIdf, by_edits
from moagraph.evals.studies.recorded import Question
from moagraph.nodes.errors import UsageError

LENGTH = "length alone"
FEWEST = 3
MEASURES = ("BLEU", "shared words", "TF-IDF", "Levenshtein")


@dataclass(frozen=True)
class Correlation:
    """How well one thing ranks the answers of a question as the judge does, on average."""

    target: str
    measure: str
    questions: int
    value: float
    interval: Interval | None
    tau: float  # Kendall's, by pairs rather than by ranks
    partial: float | None  # with length held; None where it is length itself
    partial_interval: Interval | None


def similarities(questions: Sequence[Question]) -> dict[str, Similarity]:
    """The paper's three measures, and the plainest."""
    corpus = (text for question in questions for text in question.judged.values())
    made = (Bleu(), Shared(), TfIdf(corpus), by_edits)
    return dict(zip(MEASURES, made, strict=True))


def study(
    questions: Sequence[Question],
    targets: Sequence[str],
    measures: Mapping[str, Similarity] | None = None,
    done: Callable[[], None] = lambda: None,
) -> list[Correlation]:
    """Length first, then each target by each measure; all of them unless some are named."""
    asked = [one for one in questions if len(one.judged) >= FEWEST]
    if not asked:
        raise UsageError(
            f"no question has {FEWEST} judged answers or more: there is nothing to rank by likeness"
        )
    ranked = next((name for name in targets if any(name in one.judged for one in asked)), None)
    if ranked is not None:
        raise UsageError(
            f"the answers of {ranked!r} are among those that are ranked, and most like "
            "themselves: name a target that nobody judged"
        )
    liked = [_ranks([one.preference[name] for name in one.judged]) for one in asked]
    long = [_ranks([float(len(text)) for text in one.judged.values()]) for one in asked]
    found = [_length(asked, long, liked)]
    for name, measure in (measures or similarities(asked)).items():
        for target in targets:
            found.append(_one(target, name, measure, asked, long, liked))
            done()
    return found


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation; NaN where one of the two is all the same."""
    return _correlation(_ranks(one), _ranks(other))


def kendall(one: Sequence[float], other: Sequence[float]) -> float:
    """Kendall's tau-b: the pairs in the same order less those in the opposite one."""
    return _tau(np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64))


def _length(asked: Sequence[Question], long: list[Array], liked: list[Array]) -> Correlation:
    values = np.array([_correlation(*pair) for pair in zip(long, liked, strict=True)])
    value, drawn = _mean(values)
    tau, _ = _mean(np.array([_tau(*pair) for pair in zip(long, liked, strict=True)]))
    return Correlation("any", LENGTH, len(asked), value, drawn, tau, None, None)


def _one(
    target: str,
    name: str,
    measure: Similarity,
    asked: Sequence[Question],
    long: Sequence[Array],
    liked: Sequence[Array],
) -> Correlation:
    ones, taus, sums = [], [], []
    for question, length, liking in zip(asked, long, liked, strict=True):
        if target in question.answers:
            likeness = _ranks(_likeness(question.judged, question.answers[target], measure))
            ones.append(_correlation(likeness, liking))
            taus.append(_tau(likeness, liking))
            sums.append(_sums(likeness, length, liking))
    value, drawn = _mean(np.array(ones))
    tau, _ = _mean(np.array(taus))
    whole = np.array(sums).reshape(-1, 6)
    counts = resamples(len(whole))
    partial = float(_partial(whole.sum(0)[None])[0])
    held = interval(_partial(counts @ whole))
    return Correlation(target, name, len(ones), value, drawn, tau, partial, held)


def _likeness(answers: Mapping[str, str], target: str, measure: Similarity) -> list[float]:
    return [measure(text, target) for text in answers.values()]


def _mean(values: Array) -> tuple[float, Interval | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), None
    counts = resamples(len(known))
    return float(known.mean()), interval(counts @ known / counts.sum(1))


def _sums(*ranked: Array) -> list[float]:
    """The products of each pair of three centred rankings: what a partial correlation needs."""
    centred = [ranks - ranks.mean() for ranks in ranked]
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    return [float(centred[a] @ centred[b]) for a, b in pairs]


def _partial(sums: Array) -> Array:
    """The correlation of the first and the last, the middle one held, over all questions."""
    first, middle, last, one, two, three = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        left = two - one * three / middle
        size = (first - one**2 / middle) * (last - three**2 / middle)
        partial: Array = left / np.sqrt(size)
    return partial


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size else float("nan")


def _tau(one: Array, other: Array) -> float:
    first, second = (np.sign(values[:, None] - values) for values in (one, other))
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size else float("nan")


def _ranks(values: Sequence[float]) -> Array:
    """Ranks from 1; what is the same shares its mean rank."""
    said = np.asarray(values, dtype=np.float64)
    below = (said[:, None] > said[None]).sum(1)
    same = (said[:, None] == said[None]).sum(1)
    ranks: Array = below + (same + 1) / 2
    return ranks
