"""Is an answer more like the better of some proposals? The paper's figure 4b, with its controls.

Within each question the judged answers stand for the proposals: how alike each is to a target
answer is ranked against how much the judge liked it. A target that never saw any of them and
length alone are the controls; the partial value is what is left once length is accounted for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, interval, resamples
from moagraph.evals.logistic import Array
from moagraph.evals.similarity import Bleu, Similarity, TfIdf, by_edits
from moagraph.evals.studies.recorded import Question

LENGTH = "length alone"
FEWEST = 3


@dataclass(frozen=True)
class Correlation:
    """How well one thing ranks the answers of a question as the judge does, on average."""

    target: str
    measure: str
    questions: int
    value: float
    interval: Interval | None
    partial: float | None  # with length held; None where it is length itself
    partial_interval: Interval | None


def similarities(questions: Sequence[Question]) -> dict[str, Similarity]:
    """The three measures of the paper."""
    corpus = (text for question in questions for text in question.judged.values())
    return {"BLEU": Bleu(), "TF-IDF": TfIdf(corpus), "Levenshtein": by_edits}


def study(
    questions: Sequence[Question], targets: Sequence[str], done: Callable[[], None] = lambda: None
) -> list[Correlation]:
    """Length first, then each target by each measure."""
    asked = [one for one in questions if len(one.judged) >= FEWEST]
    liked = [_ranks([one.preference[name] for name in one.judged]) for one in asked]
    long = [_ranks([float(len(text)) for text in one.judged.values()]) for one in asked]
    found = [_length(asked, long, liked)]
    for name, measure in similarities(asked).items():
        for target in targets:
            found.append(_one(target, name, measure, asked, long, liked))
            done()
    return found


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation; NaN where one of the two is all the same."""
    return _correlation(_ranks(one), _ranks(other))


def _length(asked: Sequence[Question], long: list[Array], liked: list[Array]) -> Correlation:
    values = np.array([_correlation(*pair) for pair in zip(long, liked, strict=True)])
    value, drawn = _mean(values)
    return Correlation("any", LENGTH, len(asked), value, drawn, None, None)


def _one(
    target: str,
    name: str,
    measure: Similarity,
    asked: Sequence[Question],
    long: Sequence[Array],
    liked: Sequence[Array],
) -> Correlation:
    ones, sums = [], []
    for question, length, liking in zip(asked, long, liked, strict=True):
        if target in question.answers:
            likeness = _ranks(_likeness(question.judged, question.answers[target], measure))
            ones.append(_correlation(likeness, liking))
            sums.append(_sums(likeness, length, liking))
    value, drawn = _mean(np.array(ones))
    whole = np.array(sums)
    counts = resamples(len(whole))
    partial = float(_partial(whole.sum(0)[None])[0])
    return Correlation(
        target, name, len(ones), value, drawn, partial, interval(_partial(counts @ whole))
    )


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


def _ranks(values: Sequence[float]) -> Array:
    """Ranks from 1; what is the same shares its mean rank."""
    said = np.asarray(values, dtype=np.float64)
    below = (said[:, None] > said[None]).sum(1)
    same = (said[:, None] == said[None]).sum(1)
    ranks: Array = below + (same + 1) / 2
    return ranks
