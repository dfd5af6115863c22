"""A run's systems as a study's table, also at an equal number of calls and of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from moagraph.evals.bootstrap import Interval
from moagraph.evals.results import Results
from moagraph.evals.summary import Bill, compute_bills, compute_measures


@dataclass(frozen=True)
class Line:
    """A system: how good, what it takes, and the best that takes no more."""

    system: str
    judge: str
    measure: str
    n: int
    value: float
    interval: Interval | None
    calls: float
    tokens: float
    at_calls: str  # the best system that makes no more calls; itself where there is none
    at_tokens: str


def tabulate(results: Results, systems: Sequence[str] = ()) -> list[Line]:
    """A line for each system and judge; `systems` says which, else all."""
    bill = {one.system: one for one in compute_bills(results)}
    wanted = set(systems or results.systems)
    found = [
        one for one in compute_measures(results) if one.system in wanted and one.value is not None
    ]
    lines = []
    for one in found:
        value = {
            m.system: m.value or 0.0
            for m in found
            if (m.judge, m.method) == (one.judge, one.method)
        }
        mine = bill[one.system]
        by_calls = [s for s in value if bill[s].calls <= mine.calls]
        by_tokens = [s for s in value if tokens(bill[s]) <= tokens(mine)]
        lines.append(
            Line(
                one.system,
                one.judge,
                one.name,
                one.n,
                value[one.system],
                one.interval,
                mine.calls,
                tokens(mine),
                max(by_calls, key=lambda system: value[system]),
                max(by_tokens, key=lambda system: value[system]),
            )
        )
    return lines


def tokens(bill: Bill) -> float:
    """All tokens of an answer."""
    return bill.input_tokens + bill.output_tokens
