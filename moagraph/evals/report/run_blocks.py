"""The blocks of one run: what the systems cost, and how each judge scored them."""

from collections.abc import Callable, Iterator, Sequence

from moagraph.evals.length_control.score import Score
from moagraph.evals.report.blocks import (
    Bar,
    BarChart,
    ParetoPlot,
    Point,
    Table,
    format_interval,
    format_number,
)
from moagraph.evals.results import Results
from moagraph.evals.summary import Bill, Measure, compute_bills

Cost = Callable[[Bill], float | None]
# The name of the axis, the end of the plot's title, and the cost.
COSTS: tuple[tuple[str, str, Cost], ...] = (
    ("US dollars per answer", "over price", lambda bill: bill.cost_usd),
    (
        "TFLOPs per answer, the largest of each layer (determines the latency)",
        "over compute",
        lambda bill: (bill.tflops or {}).get("latency"),
    ),
)


def run_name(run: Results) -> str:
    """Return the name of the run's folder, also where the path is relative."""
    return run.folder.resolve().name


def build_run_blocks(
    run: Results, measures: Sequence[Measure], scores: Sequence[Score]
) -> Iterator[BarChart | ParetoPlot | Table]:
    """Build the blocks of one run.

    Args:
        run: The run's results.
        measures: The scores by system and judge.
        scores: The win rates with and without length control; may be empty.
    """
    bill_by_system = {bill.system: bill for bill in compute_bills(run)}
    yield _cost_table(list(bill_by_system.values()))
    for judge, method in dict.fromkeys((m.judge, m.method) for m in measures):
        same_judge = [m for m in measures if (m.judge, m.method) == (judge, method)]
        baseline = baseline_measures(run, same_judge)
        yield from _judge_blocks([*same_judge, *baseline], bill_by_system)
    if scores:
        yield _win_rate_table(scores)


def baseline_measures(run: Results, measures: Sequence[Measure]) -> list[Measure]:
    """Return a win rate of 50 % for the baseline, if pairwise measures lack it."""
    baseline, first = run.run.get("baseline"), measures[0]
    is_judged = any(measure.value is not None for measure in measures)
    if not is_judged or not first.method.startswith("pairwise"):
        return []
    if baseline in (None, *(measure.system for measure in measures)):
        return []
    return [Measure(str(baseline), first.judge, first.method, first.n, 50.0, None, 0)]


def _judge_blocks(
    measures: Sequence[Measure], bill_by_system: dict[str, Bill]
) -> Iterator[BarChart | ParetoPlot | Table]:
    name = measures[0].name
    title = f"{name}, judged by {measures[0].judge}"
    scored = [(measure, measure.value) for measure in measures if measure.value is not None]
    if scored:
        bars = [Bar(measure.system, value, measure.interval) for measure, value in scored]
        yield BarChart(title, name, bars, "lines are 95 % intervals over questions")
    yield _measure_table(title, measures)
    for axis, suffix, cost in COSTS:
        costs = {
            measure.system: cost(bill_by_system[measure.system])
            for measure, _ in scored
            if measure.system in bill_by_system
        }
        points = [
            Point(measure.system, x, value, measure.interval)
            for measure, value in scored
            if (x := costs.get(measure.system)) is not None
        ]
        unknown = [system for system, x in costs.items() if x is None]
        note = f"not known for {', '.join(unknown)}" if unknown else ""
        if points:
            yield ParetoPlot(f"{title}, {suffix}", axis, name, points, note)


def _measure_table(title: str, measures: Sequence[Measure]) -> Table:
    parts = list(dict.fromkeys(part for measure in measures for part in measure.parts))
    head = ["system", "n", "value", "95 % interval", "unparsed", "changed by order", *parts]
    rows = [
        [
            measure.system,
            str(measure.n),
            format_number(measure.value),
            format_interval(measure.interval),
            str(measure.unparsed),
            "-" if measure.flips is None else f"{measure.flips:.0%}",
            *(format_number(measure.parts.get(part)) for part in parts),
        ]
        for measure in measures
    ]
    return Table(title, head, rows, "unparsed verdicts do not count in the value")


def _cost_table(bills: Sequence[Bill]) -> Table:
    kinds = ("decode", "total", "latency")
    head = ["system", "answers", "failed", "calls", "tokens in", "tokens out", "US dollars"]
    head += [*(f"TFLOPs, {kind}" for kind in kinds), "seconds"]
    rows = [
        [
            bill.system,
            str(bill.answers),
            str(bill.failed),
            format_number(bill.calls, 1),
            format_number(bill.input_tokens, 0),
            format_number(bill.output_tokens, 0),
            format_number(bill.cost_usd, 5),
            *(format_number((bill.tflops or {}).get(kind), 1) for kind in kinds),
            format_number(bill.seconds, 1),
        ]
        for bill in bills
    ]
    note = "means per answer; TFLOPs are 2 x active parameters x tokens; - means unknown"
    return Table("Cost of an answer", head, rows, note)


def _win_rate_table(scores: Sequence[Score]) -> Table:
    rows = []
    for score in scores:
        rate = score.lc or score.adjusted
        name = "LC win rate" if score.lc else f"length-adjusted (not LC: {score.why_not_lc})"
        value, interval = (rate.value, rate.interval) if rate else (None, None)
        rows.append(
            [score.model, str(score.n), name, format_number(value), format_interval(interval)]
        )
    head = ["system", "n", "metric", "value", "95 % interval"]
    return Table("Win rates with length control", head, rows)
