"""Summarize a run: measures by system and judge, bills of usage, and gaps between systems."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from moagraph.evals.bootstrap import Interval, mean_interval
from moagraph.evals.results import Results, Row, TurnKey, turn_key

GRADED_METHODS = {"grade", "flask"}
USAGE_KEYS = ("calls", "input_tokens", "output_tokens")
METRICS = {
    "pairwise-logprobs": "win rate, %",
    "pairwise": "win rate, both orders, %",
    "grade": "grade, 1 to 10",
    "flask": "skills, 1 to 5",
    "exact": "exact matches, %",
    "numeric": "right numbers, %",
    "python": "score, %",
}
# By system, judge and method: the value of each question and turn.
Values: TypeAlias = dict[tuple[str, str, str], dict[TurnKey, float]]


@dataclass(frozen=True)
class Measure:
    """A system's mean value by one judge."""

    system: str
    judge: str
    method: str
    n: int  # questions and turns with a verdict
    value: float | None
    interval: Interval | None
    unparsed: int
    parts: Mapping[str, float] = field(default_factory=dict)  # by turn, category, skill
    flips: float | None = None  # the share of comparisons whose winner depends on the order

    @property
    def name(self) -> str:
        """What is measured, with its unit."""
        return METRICS.get(self.method, f"{self.method}, %")

    @property
    def percent(self) -> bool:
        """Whether the value is a percentage."""
        return self.method not in GRADED_METHODS


@dataclass(frozen=True)
class Bill:
    """A system's mean usage per answer; None if it is unknown for one of the answers."""

    system: str
    answers: int
    failed: int
    calls: float
    input_tokens: float
    output_tokens: float
    cost_usd: float | None
    tflops: Mapping[str, float] | None
    seconds: float


@dataclass(frozen=True)
class Gap:
    """The first system's value minus the second's, on the questions that both answered."""

    first: str
    second: str
    judge: str
    method: str
    n: int
    value: float
    interval: Interval | None


def compute_measures(results: Results) -> list[Measure]:
    """Measure every system by every judge that has a verdict on it."""
    verdicts = group_verdicts(results)
    order = {system: number for number, system in enumerate(results.systems)}
    keys = sorted(verdicts, key=lambda key: (key[1], key[2], order.get(key[0], len(order))))
    return [_compute_measure(*key, verdicts[key]) for key in keys]


def compute_bills(results: Results) -> list[Bill]:
    """Return the bill of each system."""
    return [_compute_bill(results, system) for system in results.systems]


def values_by_turn(rows: Iterable[Row]) -> dict[TurnKey, float]:
    """Average the verdicts on each turn: both orders, several skills, repetitions."""
    values: dict[TurnKey, list[float]] = defaultdict(list)
    for row in rows:
        if (value := verdict_value(row)) is not None:
            values[turn_key(row)].append(value)
    return {key: float(np.mean(turn_values)) for key, turn_values in values.items()}


def verdict_value(row: Row) -> float | None:
    """Return a verdict as a percentage or a grade; None if it was not parsed."""
    if not row["parsed"]:
        return None
    if row.get("preference") is not None:
        return 100 * (0.5 if row["preference"] == 0 else float(row["preference"]) - 1)
    if row.get("score") is None:
        return None
    return float(row["score"]) * (1 if row["method"] in GRADED_METHODS else 100)


def compute_gaps(first: Results, second: Results) -> list[Gap]:
    """Compare every system of one run with every system of another, by each common judge.

    Args:
        first: The run whose values count positive.
        second: The run to compare with; it may be the same one.
    """
    gaps = []
    second_values = collect_values(second)
    for (system, judge, method), values in collect_values(first).items():
        for (other_system, *other_method), other_values in second_values.items():
            if other_method != [judge, method] or (system == other_system and first is second):
                continue
            if difference := paired_difference(values, other_values):
                gaps.append(Gap(system, other_system, judge, method, *difference))
    return gaps


def collect_values(results: Results) -> Values:
    """Return the value of each question and turn, by system, judge and method."""
    return {key: values_by_turn(rows) for key, rows in group_verdicts(results).items()}


def paired_difference(
    first: Mapping[TurnKey, float], second: Mapping[TurnKey, float]
) -> tuple[int, float, Interval | None] | None:
    """Return the number of common questions, the mean difference on them, and its interval.

    Args:
        first: The values of the system that counts positive.
        second: The values of the system to compare with.
    """
    by_question: dict[str, list[float]] = defaultdict(list)
    for key in sorted(first.keys() & second.keys()):
        by_question[key[0]].append(first[key] - second[key])
    if not by_question:
        return None
    differences = np.array([np.mean(turns) for turns in by_question.values()], dtype=np.float64)
    return len(differences), float(differences.mean()), mean_interval(differences)


def group_verdicts(results: Results) -> dict[tuple[str, str, str], list[Row]]:
    """Group the verdicts by system, judge and method."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in results.verdicts:
        groups[row["system"], row["judge"], _method(row)].append(row)
    return groups


def _method(row: Row) -> str:
    """Return how the answer was judged; a recorded verdict does not tell, but its value does."""
    if row["method"] != "recorded":
        return str(row["method"])
    return "pairwise-logprobs" if row.get("preference") is not None else "grade"


def _compute_measure(system: str, judge: str, method: str, rows: Sequence[Row]) -> Measure:
    values = values_by_turn(rows)
    # The turns of a question are not independent, so the bootstrap samples questions.
    questions: dict[str, list[float]] = defaultdict(list)
    for (question, _), value in sorted(values.items()):  # the order of rows must not matter
        questions[question].append(value)
    question_means = np.array([np.mean(turns) for turns in questions.values()], dtype=np.float64)
    return Measure(
        system,
        judge,
        method,
        len(values),
        float(np.mean(list(values.values()))) if values else None,
        mean_interval(question_means),
        sum(not row["parsed"] for row in rows),
        dict(_part_means(rows)),
        _flip_share(rows),
    )


def _part_means(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """Return the means by turn, by category and by skill, if there are several of each."""
    part_names: list[Callable[[Row], str | None]] = [
        lambda row: f"turn {turn_key(row)[1]}",
        lambda row: row.get("category") and str(row["category"]),
        lambda row: row.get("skill") and str(row["skill"]),
    ]
    means: list[tuple[str, float]] = []
    for part_name in part_names:
        parts: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if name := part_name(row):
                parts[name].append(row)
        if len(parts) > 1:
            values = {name: values_by_turn(part) for name, part in sorted(parts.items())}
            means += [(name, float(np.mean(list(v.values())))) for name, v in values.items() if v]
    return means


def _flip_share(rows: Sequence[Row]) -> float | None:
    """Return the share of turns, judged in both orders, whose winner changes with the order."""
    by_turn: dict[TurnKey, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.get("order") and row["parsed"] and row.get("preference") is not None:
            by_turn[turn_key(row)][row["order"]] = float(row["preference"]) - 1.5
    both = [orders for orders in by_turn.values() if len(orders) == 2]
    return float(np.mean([o["ab"] * o["ba"] < 0 for o in both])) if both else None


def _compute_bill(results: Results, system: str) -> Bill:
    rows = [row for row in results.answers if row["system"] == system]
    done = [row for row in rows if row["status"] == "done"]
    calls, input_tokens, output_tokens = (
        _mean([(row.get("usage") or {}).get(key) or 0 for row in done]) for key in USAGE_KEYS
    )
    costs = [row["cost_usd"] for row in done if row.get("cost_usd") is not None]
    tflops = [row["tflops"] for row in done if row.get("tflops")]
    has_costs, has_tflops = (len(values) == len(done) > 0 for values in (costs, tflops))
    return Bill(
        system,
        answers=len(done),
        failed=len(rows) - len(done),
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=_mean(costs) if has_costs else None,
        tflops={key: _mean([t[key] for t in tflops]) for key in tflops[0]} if has_tflops else None,
        seconds=_mean([row.get("seconds") or 0 for row in done]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
