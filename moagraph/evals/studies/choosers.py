"""Picking one of several answers instead of blending them: what each way to choose would win."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moagraph.evals.bootstrap import Interval, of_mean
from moagraph.evals.similarity import Bleu, Similarity
from moagraph.evals.studies.recorded import Question
from moagraph.nodes.errors import UsageError
from moagraph.nodes.texts.similarity import mean_similarity

Chooser = Callable[[str, Mapping[str, str]], str]  # a question and answers by model -> a model


@dataclass(frozen=True)
class Chosen:
    """What a way to choose wins, in percent, and how often it picks each model."""

    name: str
    n: int
    win_rate: float
    interval: Interval | None
    picks: Mapping[str, int]


def longest(question: str, answers: Mapping[str, str]) -> str:
    """The model that says most."""
    return max(answers, key=lambda model: len(answers[model]))


def consensus(alike: Similarity) -> Chooser:
    """The model whose answer is most like the others'."""

    def choose(question: str, answers: Mapping[str, str]) -> str:
        def likeness(model: str) -> float:
            return sum(alike(answers[model], answers[other]) for other in answers if other != model)

        return max(answers, key=likeness)

    return choose


def vote(question: str, answers: Mapping[str, str]) -> str:
    """The one that the step `vote` hands on with `by = "similar"`."""
    agreed = mean_similarity(answers, dict.fromkeys(answers, 1.0))
    return max(answers, key=lambda model: agreed[model])


def study(questions: Sequence[Question], more: Mapping[str, Chooser] | None = None) -> list[Chosen]:
    """The best single model, chance, each way to choose, the best choice; then what is mixed."""
    asked = complete(questions)
    models = sorted(asked[0].judged)
    always = [_singly(model, asked) for model in models]
    best = max(always, key=lambda chosen: chosen.win_rate)
    ways = {"longest": longest, "BLEU consensus": consensus(Bleu()), **(more or {})}
    return [
        Chosen(f"best single ({best.name})", best.n, best.win_rate, best.interval, best.picks),
        _scored("random", [float(np.mean(_liked(one))) for one in asked], {}),
        *(choose(name, way, asked) for name, way in ways.items()),
        _scored("oracle", [max(_liked(one)) for one in asked], {}),
        *(
            _scored(name, [one.mixed[name] for one in asked if name in one.mixed], {})
            for name in dict.fromkeys(name for one in asked for name in one.mixed)
        ),
    ]


def complete(questions: Sequence[Question]) -> list[Question]:
    """Those with a judged answer of every model: on others the best is not among all."""
    models = {model for question in questions for model in question.judged}
    found = [one for one in questions if one.judged.keys() == models]
    if not models or not found:
        raise UsageError("no question has a judged answer of every model: nothing to choose from")
    return found


def odds(questions: Sequence[Question]) -> float:
    """By how much the value of one random pick a question varies, in percent."""
    asked = complete(questions)
    return 100 * math.sqrt(sum(float(np.var(_liked(one))) for one in asked)) / len(asked)


def choose(name: str, way: Chooser, questions: Sequence[Question]) -> Chosen:
    """What one way to choose wins on the questions."""
    picked = [way(question.text, question.judged) for question in questions]
    won = [one.preference[model] for one, model in zip(questions, picked, strict=True)]
    return _scored(name, won, {model: picked.count(model) for model in sorted(set(picked))})


def _singly(model: str, questions: Sequence[Question]) -> Chosen:
    won = [one.preference[model] for one in questions if model in one.preference]
    return _scored(model, won, {model: len(won)})


def _liked(question: Question) -> list[float]:
    return [question.preference[model] for model in question.judged]


def _scored(name: str, won: Sequence[float], picks: Mapping[str, int]) -> Chosen:
    values = 100 * np.array(won, dtype=np.float64)
    return Chosen(name, len(won), float(values.mean()), of_mean(values), picks)
