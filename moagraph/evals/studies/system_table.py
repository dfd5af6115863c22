"""A run's systems as a table, with the best systems at no more calls and at no more tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from moagraph.evals.bootstrap import Interval
from moagraph.evals.results import Results
from moagraph.evals.summary import Bill, Measure, compute_bills, compute_measures


@dataclass(frozen=True)
class SystemRow:
    """A system's score and cost.

    `at_calls` names the best system that makes no more calls, `at_tokens` the best that uses no
    more tokens; each may be the system itself.
    """

    system: str
    judge: str
    measure: str
    n: int
    value: float
    interval: Interval | None
    calls: float
    tokens: float
    at_calls: str
    at_tokens: str


def build_system_table(results: Results, systems: Sequence[str] = ()) -> list[SystemRow]:
    """Return one row for each system and judge.

    Args:
        results: The run.
        systems: The systems to include; empty for all.
    """
    bill_by_system = {bill.system: bill for bill in compute_bills(results)}
    included = set(systems or results.systems)
    scored = [
        measure
        for measure in compute_measures(results)
        if measure.system in included and measure.value is not None
    ]
    return [_row(measure, scored, bill_by_system) for measure in scored]


def _row(measure: Measure, scored: Sequence[Measure], bill_by_system: dict[str, Bill]) -> SystemRow:
    values = {
        peer.system: peer.value or 0.0
        for peer in scored
        if (peer.judge, peer.method) == (measure.judge, measure.method)
    }
    bill = bill_by_system[measure.system]
    by_calls = [name for name in values if bill_by_system[name].calls <= bill.calls]
    by_tokens = [name for name in values if _tokens(bill_by_system[name]) <= _tokens(bill)]
    return SystemRow(
        measure.system,
        measure.judge,
        measure.name,
        measure.n,
        values[measure.system],
        measure.interval,
        bill.calls,
        _tokens(bill),
        max(by_calls, key=lambda name: values[name]),
        max(by_tokens, key=lambda name: values[name]),
    )


def _tokens(bill: Bill) -> float:
    return bill.input_tokens + bill.output_tokens
