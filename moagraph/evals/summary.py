"""What the verdicts of a run say of each system: a value a judge, with an interval and parts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from moagraph.evals.bootstrap import Interval, mean_interval
from moagraph.evals.results import Results, Row, Where, where

GRADES = {"grade", "flask"}
USAGE = ("calls", "input_tokens", "output_tokens")
Values: TypeAlias = dict[tuple[str, str, str], dict[Where, float]]
NAMES = {
    "pairwise-logprobs": "win rate, %",
    "pairwise": "win rate, both orders, %",
    "grade": "grade, 1 to 10",
    "flask": "skills, 1 to 5",
    "exact": "exact matches, %",
    "numeric": "right numbers, %",
    "python": "score, %",
}


@dataclass(frozen=True)
class Measure:
    """How good a judge found a system."""

    system: str
    judge: str
    method: str
    n: int  # questions and turns with a verdict
    value: float | None
    interval: Interval | None
    unparsed: int
    parts: Mapping[str, float] = field(default_factory=dict)  # turns, categories, skills
    flips: float | None = None  # the share that the order of the answers turned round

    @property
    def name(self) -> str:
        """What the value is."""
        return NAMES.get(self.method, f"{self.method}, %")

    @property
    def percent(self) -> bool:
        """Whether it is a share."""
        return self.method not in GRADES


@dataclass(frozen=True)
class Bill:
    """What a system's answers took, each a mean an answer; None where it is not known of all."""

    system: str
    answers: int
    failed: int
    calls: float
    input_tokens: float
    output_tokens: float
    cost_usd: float | None
    tflops: Mapping[str, float] | None
    seconds: float


def measures(results: Results) -> list[Measure]:
    """Every system with every judge that ruled on it."""
    found = ruled(results)
    order = {system: number for number, system in enumerate(results.systems)}
    keys = sorted(found, key=lambda key: (key[1], key[2], order.get(key[0], len(order))))
    return [_measure(*key, found[key]) for key in keys]


def bills(results: Results) -> list[Bill]:
    """What each system took."""
    return [_bill(results, system) for system in results.systems]


def by_question(rows: Iterable[Row]) -> dict[Where, float]:
    """One value each question and turn: what orders, skills and repetitions say, on average."""
    found: dict[Where, list[float]] = defaultdict(list)
    for row in rows:
        if (value := value_of(row)) is not None:
            found[where(row)].append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


def value_of(row: Row) -> float | None:
    """What a verdict says: a share of 100, or a grade; None where it could not be read."""
    if not row["parsed"]:
        return None
    if row.get("preference") is not None:
        return 100 * (0.5 if row["preference"] == 0 else float(row["preference"]) - 1)
    if row.get("score") is None:
        return None
    return float(row["score"]) * (1 if row["method"] in GRADES else 100)


@dataclass(frozen=True)
class Gap:
    """How much better one system is than another in a judge's eyes, on the same questions."""

    one: str
    other: str
    judge: str
    method: str
    n: int
    value: float
    interval: Interval | None


def gaps(one: Results, other: Results) -> list[Gap]:
    """Every pair of systems, one from each run, that a judge ruled on in the same way."""
    found = []
    mine, yours = valued(one), valued(other)
    for (system, judge, method), said in mine.items():
        for (second, *same), others in yours.items():
            if same == [judge, method] and (system != second or one is not other):
                gap = paired(said, others)
                if gap:
                    found.append(Gap(system, second, judge, method, *gap))
    return found


def valued(results: Results) -> Values:
    """By system, judge and method the value of each question and turn."""
    return {key: by_question(rows) for key, rows in ruled(results).items()}


def paired(
    mine: Mapping[Where, float], yours: Mapping[Where, float]
) -> tuple[int, float, Interval | None] | None:
    """Of the questions that both have how many there are, and how much better the first is."""
    less: dict[str, list[float]] = defaultdict(list)
    for key in sorted(mine.keys() & yours.keys()):
        less[key[0]].append(mine[key] - yours[key])
    if not less:
        return None
    gap = np.array([np.mean(turns) for turns in less.values()], dtype=np.float64)
    return len(gap), float(gap.mean()), mean_interval(gap)


def ruled(results: Results) -> dict[tuple[str, str, str], list[Row]]:
    """The verdicts by system, judge and method."""
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in results.verdicts:
        found[row["system"], row["judge"], _method(row)].append(row)
    return found


def _method(row: Row) -> str:
    """How it was judged; of recorded verdicts, what they were."""
    if row["method"] != "recorded":
        return str(row["method"])
    return "pairwise-logprobs" if row.get("preference") is not None else "grade"


def _measure(system: str, judge: str, method: str, rows: Sequence[Row]) -> Measure:
    values = by_question(rows)
    # Turns of a question hang together, so questions are what is drawn.
    questions: dict[str, list[float]] = defaultdict(list)
    for (question, _), value in sorted(values.items()):  # so that no order of rows matters
        questions[question].append(value)
    each = np.array([np.mean(one) for one in questions.values()], dtype=np.float64)
    return Measure(
        system,
        judge,
        method,
        len(values),
        float(np.mean(list(values.values()))) if values else None,
        mean_interval(each),
        sum(not row["parsed"] for row in rows),
        dict(_parts(rows)),
        _flips(rows),
    )


def _parts(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """By turn where there are several, by category, by skill."""
    ways: list[Callable[[Row], str | None]] = [
        lambda row: f"turn {where(row)[1]}",
        lambda row: row.get("category") and str(row["category"]),
        lambda row: row.get("skill") and str(row["skill"]),
    ]
    parts: list[tuple[str, float]] = []
    for way in ways:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if name := way(row):
                found[name].append(row)
        if len(found) > 1:
            shown = {name: by_question(some) for name, some in sorted(found.items())}
            parts += [(name, float(np.mean(list(v.values())))) for name, v in shown.items() if v]
    return parts


def _flips(rows: Sequence[Row]) -> float | None:
    """Of what was asked in both orders, the share where the winner changed with the order."""
    found: dict[Where, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.get("order") and row["parsed"] and row.get("preference") is not None:
            found[where(row)][row["order"]] = float(row["preference"]) - 1.5
    both = [orders for orders in found.values() if len(orders) == 2]
    return float(np.mean([o["ab"] * o["ba"] < 0 for o in both])) if both else None


def _bill(results: Results, system: str) -> Bill:
    rows = [row for row in results.answers if row["system"] == system]
    done = [row for row in rows if row["status"] == "done"]
    calls, heard, said = (
        _mean([(row.get("usage") or {}).get(key) or 0 for row in done]) for key in USAGE
    )
    costs = [row["cost_usd"] for row in done if row.get("cost_usd") is not None]
    flops = [row["tflops"] for row in done if row.get("tflops")]
    priced, counted = (len(known) == len(done) > 0 for known in (costs, flops))
    return Bill(
        system,
        answers=len(done),
        failed=len(rows) - len(done),
        calls=calls,
        input_tokens=heard,
        output_tokens=said,
        cost_usd=_mean(costs) if priced else None,
        tflops={key: _mean([o[key] for o in flops]) for key in flops[0]} if counted else None,
        seconds=_mean([row.get("seconds") or 0 for row in done]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
