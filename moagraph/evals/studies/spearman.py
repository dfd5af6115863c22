"""Is the mixture's answer more similar to the better proposals? The MoA paper's Figure 4b.

The judged answers to a question stand for the proposals. Their similarity to a target answer is
rank-correlated with the judge's preference. There are two controls: targets that saw none of the
answers, and the answers' length alone. The partial correlation removes the effect of the length.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, percentile_interval, resample_counts
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.similarity import Bleu, SharedWords, Similarity, TfIdf, edit_similarity
from moagraph.evals.studies.rank_correlation import (
    correlation,
    partial_correlation,
    product_sums,
    ranks,
    tau,
)
from moagraph.evals.studies.recorded_questions import Question
from moagraph.nodes.errors import UsageError

LENGTH = "length alone"
MIN_ANSWERS = 3
MEASURES = ("BLEU", "shared words", "TF-IDF", "Levenshtein")


@dataclass(frozen=True)
class Correlation:
    """A measure's rank correlation with the judge's preference, averaged over questions."""

    target: str
    measure: str
    questions: int
    value: float
    interval: Interval | None
    tau: float  # Kendall's
    partial: float | None  # controlled for length; None for the length itself
    partial_interval: Interval | None


@dataclass(frozen=True)
class _RankedQuestion:
    """A question with the ranks of its judged answers by length and by preference."""

    question: Question
    length: Array
    preference: Array


def build_similarities(questions: Sequence[Question]) -> dict[str, Similarity]:
    """Build the paper's three similarities and the share of common words, by name."""
    corpus = (text for question in questions for text in question.judged.values())
    similarities = (Bleu(), SharedWords(), TfIdf(corpus), edit_similarity)
    return dict(zip(MEASURES, similarities, strict=True))


def correlate_with_preference(
    questions: Sequence[Question],
    targets: Sequence[str],
    measures: Mapping[str, Similarity] | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> list[Correlation]:
    """Return the correlation of the length, then of each measure with each target.

    Args:
        questions: Questions with judged answers; those with fewer than three are ignored.
        targets: The systems whose answers the judged answers are compared with.
        measures: The similarities by name; None for all.
        on_done: Called after each measure and target.
    """
    usable = [question for question in questions if len(question.judged) >= MIN_ANSWERS]
    _check(usable, targets)
    ranked = [_rank(question) for question in usable]
    correlations = [_correlate_length(ranked)]
    for name, measure in (measures or build_similarities(usable)).items():
        for target in targets:
            correlations.append(_correlate(target, name, measure, ranked))
            on_done()
    return correlations


def _check(questions: Sequence[Question], targets: Sequence[str]) -> None:
    if not questions:
        raise UsageError(
            f"no question has {MIN_ANSWERS} judged answers or more: there is nothing to rank"
        )
    judged = next((t for t in targets if any(t in q.judged for q in questions)), None)
    if judged is not None:
        raise UsageError(
            f"the answers of {judged!r} are among those that are ranked, and each is most similar "
            "to itself: name a target without judged answers"
        )


def _rank(question: Question) -> _RankedQuestion:
    judged = question.judged
    length = ranks([float(len(text)) for text in judged.values()])
    return _RankedQuestion(question, length, ranks([question.preference[name] for name in judged]))


def _correlate_length(ranked: Sequence[_RankedQuestion]) -> Correlation:
    value, interval = _mean([correlation(row.length, row.preference) for row in ranked])
    mean_tau, _ = _mean([tau(row.length, row.preference) for row in ranked])
    return Correlation("any", LENGTH, len(ranked), value, interval, mean_tau, None, None)


def _correlate(
    target: str, name: str, measure: Similarity, ranked: Sequence[_RankedQuestion]
) -> Correlation:
    correlations, taus, sums = [], [], []
    for row in ranked:
        answer = row.question.answers.get(target)
        if answer is None:
            continue
        similarity = ranks([measure(text, answer) for text in row.question.judged.values()])
        correlations.append(correlation(similarity, row.preference))
        taus.append(tau(similarity, row.preference))
        sums.append(product_sums(similarity, row.length, row.preference))
    value, interval = _mean(correlations)
    mean_tau, _ = _mean(taus)
    by_question = np.array(sums).reshape(-1, 6)
    partial = float(partial_correlation(by_question.sum(0)[None])[0])
    resampled = partial_correlation(resample_counts(len(by_question)) @ by_question)
    return Correlation(
        target,
        name,
        len(correlations),
        value,
        interval,
        mean_tau,
        partial,
        percentile_interval(resampled),
    )


def _mean(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Return the mean of the finite values, and its interval."""
    array = np.array(values)
    finite = array[np.isfinite(array)]
    if not len(finite):
        return float("nan"), None
    counts = resample_counts(len(finite))
    return float(finite.mean()), percentile_interval(counts @ finite / counts.sum(1))
