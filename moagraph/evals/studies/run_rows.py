"""A run as recorded questions: single models' answers to choose from, and mixtures beside them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from moagraph.evals.results import Results, Where
from moagraph.evals.studies.recorded import Question
from moagraph.evals.summary import NAMES, by_question, ruled
from moagraph.nodes.errors import UsageError

FEWEST = 2  # a choice from one is none


@dataclass(frozen=True)
class Judged:
    """What one judge said of the run's questions."""

    judge: str
    measure: str
    questions: list[Question]


def judged(results: Results) -> list[Judged]:
    """A study's questions for each judge that ruled on two single models or more."""
    kinds = {str(row["system"]): row["kind"] for row in results.answers}
    found = []
    for (judge, method), values in _values(results).items():
        alone = {system for system in values if kinds.get(system) != "recipe"}
        asked = _questions(results, values, alone) if len(alone) >= FEWEST else []
        if asked:
            found.append(Judged(judge, NAMES.get(method, f"{method}, %"), asked))
    if not found:
        raise UsageError(
            f"{results.folder}: no judge ruled on two single models' answers to the same question; "
            "`moa eval run` takes them as systems beside the mixture"
        )
    return found


def _values(results: Results) -> dict[tuple[str, str], dict[str, dict[Where, float]]]:
    """By judge and method each system's values, question by question."""
    found: dict[tuple[str, str], dict[str, dict[Where, float]]] = defaultdict(dict)
    for (system, *how), rows in ruled(results).items():
        found[how[0], how[1]][system] = by_question(rows)
    return found


def _questions(
    results: Results, values: Mapping[str, Mapping[Where, float]], alone: set[str]
) -> list[Question]:
    """Those on which the judge ruled for every system, so that all are compared on the same."""
    answers = {system: results.of(system) for system in values}
    shared = set.intersection(*({*answers[one]} & {*said} for one, said in values.items()))
    found = []
    for place in sorted(shared):
        won = {system: said[place] / 100 for system, said in values.items()}
        found.append(
            Question(
                next(iter(answers.values()))[place]["question"],
                {system: rows[place]["answer"] for system, rows in answers.items()},
                {system: won[system] for system in sorted(alone)},
                {system: value for system, value in won.items() if system not in alone},
            )
        )
    return found
