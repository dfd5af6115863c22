"""Choosing one of several answers instead of merging them: the win rate of each chooser."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, mean_interval
from moagraph.evals.similarity import Bleu, Similarity
from moagraph.evals.studies.recorded_questions import Question
from moagraph.nodes.errors import UsageError
from moagraph.nodes.texts.similarity import mean_similarity

Chooser = Callable[[str, Mapping[str, str]], str]  # a question and answers by model -> a model


@dataclass(frozen=True)
class ChooserResult:
    """A chooser's win rate in percent, and how often it picks each model."""

    name: str
    n: int
    win_rate: float
    interval: Interval | None
    picks: Mapping[str, int]


def choose_longest(question: str, answers: Mapping[str, str]) -> str:
    """Choose the longest answer."""
    return max(answers, key=lambda model: len(answers[model]))


def consensus_chooser(similarity: Similarity) -> Chooser:
    """Build a chooser of the answer that is most similar to the others."""

    def choose(question: str, answers: Mapping[str, str]) -> str:
        def total(model: str) -> float:
            return sum(similarity(answers[model], answers[m]) for m in answers if m != model)

        return max(answers, key=total)

    return choose


def choose_by_vote(question: str, answers: Mapping[str, str]) -> str:
    """Choose the answer that the step `vote` selects with `by = "similar"`."""
    scores = mean_similarity(answers, dict.fromkeys(answers, 1.0))
    return max(answers, key=lambda model: scores[model])


def compare_choosers(
    questions: Sequence[Question], additional: Mapping[str, Chooser] | None = None
) -> list[ChooserResult]:
    """Evaluate the choosers on the questions with a judged answer of every model.

    Args:
        questions: Questions with judged answers.
        additional: Choosers to evaluate besides the longest answer and the BLEU consensus.

    Returns:
        The best single model, a random choice, each chooser, the best possible choice, and then
        the mixtures for comparison.
    """
    complete = fully_judged(questions)
    singles = [_evaluate_model(model, complete) for model in sorted(complete[0].judged)]
    best = max(singles, key=lambda result: result.win_rate)
    choosers = {
        "longest": choose_longest,
        "BLEU consensus": consensus_chooser(Bleu()),
        **(additional or {}),
    }
    mixtures = dict.fromkeys(name for question in complete for name in question.mixed)
    return [
        ChooserResult(
            f"best single ({best.name})", best.n, best.win_rate, best.interval, best.picks
        ),
        _result("random", [float(np.mean(_preferences(question))) for question in complete], {}),
        *(evaluate_chooser(name, chooser, complete) for name, chooser in choosers.items()),
        _result("oracle", [max(_preferences(question)) for question in complete], {}),
        *(
            _result(name, [q.mixed[name] for q in complete if name in q.mixed], {})
            for name in mixtures
        ),
    ]


def fully_judged(questions: Sequence[Question]) -> list[Question]:
    """Return the questions with a judged answer of every model; choosers need all of them."""
    models = {model for question in questions for model in question.judged}
    complete = [question for question in questions if question.judged.keys() == models]
    if not models or not complete:
        raise UsageError("no question has a judged answer of every model: nothing to choose from")
    return complete


def random_choice_deviation(questions: Sequence[Question]) -> float:
    """Return the standard deviation, in percent, of the win rate of one random pick each."""
    complete = fully_judged(questions)
    variance = sum(float(np.var(_preferences(question))) for question in complete)
    return 100 * math.sqrt(variance) / len(complete)


def evaluate_chooser(name: str, chooser: Chooser, questions: Sequence[Question]) -> ChooserResult:
    """Return a chooser's win rate on the questions."""
    picks = [chooser(question.text, question.judged) for question in questions]
    wins = [question.preference[model] for question, model in zip(questions, picks, strict=True)]
    return _result(name, wins, {model: picks.count(model) for model in sorted(set(picks))})


def _evaluate_model(model: str, questions: Sequence[Question]) -> ChooserResult:
    wins = [q.preference[model] for q in questions if model in q.preference]
    return _result(model, wins, {model: len(wins)})


def _preferences(question: Question) -> list[float]:
    return [question.preference[model] for model in question.judged]


def _result(name: str, wins: Sequence[float], picks: Mapping[str, int]) -> ChooserResult:
    percent = 100 * np.array(wins, dtype=np.float64)
    return ChooserResult(name, len(wins), float(percent.mean()), mean_interval(percent), picks)
