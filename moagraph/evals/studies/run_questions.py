"""Converts a run to a study's questions: single models to choose from, mixtures to compare with."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from moagraph.evals.results import Results, TurnKey
from moagraph.evals.studies.recorded_questions import Question
from moagraph.evals.summary import METRICS, group_verdicts, values_by_turn
from moagraph.nodes.errors import UsageError

MIN_MODELS = 2


@dataclass(frozen=True)
class JudgedQuestions:
    """One judge's preferences on the questions of a run."""

    judge: str
    measure: str
    questions: list[Question]


def judged_questions(results: Results) -> list[JudgedQuestions]:
    """Return the questions of each judge that scored at least two single models on the same."""
    kinds = {str(row["system"]): row["kind"] for row in results.answers}
    judged = []
    for (judge, method), values in _values_by_judge(results).items():
        models = {system for system in values if kinds.get(system) != "recipe"}
        questions = _questions(results, values, models) if len(models) >= MIN_MODELS else []
        if questions:
            measure = METRICS.get(method, f"{method}, %")
            judged.append(JudgedQuestions(judge, measure, questions))
    if not judged:
        raise UsageError(
            f"{results.folder}: no judge scored two single models on the same question; "
            "add single models as systems to `moa eval run`"
        )
    return judged


def _values_by_judge(results: Results) -> dict[tuple[str, str], dict[str, dict[TurnKey, float]]]:
    """Return each system's values by question, by judge and method."""
    values: dict[tuple[str, str], dict[str, dict[TurnKey, float]]] = defaultdict(dict)
    for (system, judge, method), rows in group_verdicts(results).items():
        values[judge, method][system] = values_by_turn(rows)
    return values


def _questions(
    results: Results, values: Mapping[str, Mapping[TurnKey, float]], models: set[str]
) -> list[Question]:
    """Return the questions on which the judge scored every system."""
    answers = {system: results.answers_by_turn(system) for system in values}
    shared = set.intersection(
        *({*answers[system]} & {*scores} for system, scores in values.items())
    )
    questions = []
    for turn in sorted(shared):
        preference = {system: scores[turn] / 100 for system, scores in values.items()}
        questions.append(
            Question(
                next(iter(answers.values()))[turn]["question"],
                {system: rows[turn]["answer"] for system, rows in answers.items()},
                {system: preference[system] for system in sorted(models)},
                {system: value for system, value in preference.items() if system not in models},
            )
        )
    return questions
