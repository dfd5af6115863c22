"""Paired comparisons: every system of two runs, or a run's recipes and its best single model."""

from collections.abc import Iterator, Sequence

from moagraph.evals.report.blocks import Bar, BarChart, Section, Table, format_interval
from moagraph.evals.report.run_blocks import baseline_measures, run_name
from moagraph.evals.results import Results
from moagraph.evals.summary import (
    Gap,
    Measure,
    Values,
    collect_values,
    compute_gaps,
    paired_difference,
)

MIN_QUESTIONS = 20  # fewer give no conclusion


def compare_runs(first: Results, second: Results) -> Section:
    """Compare each system of the first run with each of the second, on the same questions."""
    differences = compute_gaps(first, second)
    title = f"{run_name(first)} minus {run_name(second)}"
    notes = [] if differences else ["no questions with the same judge in both runs"]
    return Section(title, list(_blocks(title, differences)), notes)


def compare_with_best_model(run: Results, measures: Sequence[Measure]) -> Section:
    """Compare each recipe with the single model that the same judge scored highest.

    The baseline counts as a single model unless it is a recipe.
    """
    differences = _differences_from_best(run, measures)
    title = "Recipes minus the best single model"
    notes = [_conclusion(difference) for difference in differences]
    notes = notes or ["no judge scored both a recipe and a single model"]
    return Section(title, list(_blocks(title, differences)), notes)


def _differences_from_best(run: Results, measures: Sequence[Measure]) -> list[Gap]:
    kinds = {row["system"]: row.get("kind") for row in run.answers}
    values = collect_values(run)
    differences = list[Gap]()
    for judge, method in dict.fromkeys((m.judge, m.method) for m in measures):
        same_judge = [m for m in measures if (m.judge, m.method) == (judge, method)]
        candidates = [*same_judge, *baseline_measures(run, same_judge)]
        scored = [m for m in candidates if m.value is not None]
        singles = [m for m in scored if kinds.get(m.system, "model") != "recipe"]
        if not singles:
            continue
        best = max(singles, key=lambda measure: measure.value or 0.0)
        recipes = [m for m in scored if kinds.get(m.system) == "recipe"]
        differences += _differences(values, recipes, best)
    return differences


def _differences(values: Values, recipes: Sequence[Measure], best: Measure) -> Iterator[Gap]:
    for recipe in recipes:
        judge = (recipe.judge, recipe.method)
        names = (recipe.system, best.system, *judge)
        own = values.get((recipe.system, *judge), {})
        if pair := paired_difference(own, values.get((best.system, *judge), {})):
            yield Gap(*names, *pair)
        elif best.interval is None and recipe.value is not None:
            # The best is the baseline, whose 50 % is a definition and has no interval.
            interval = recipe.interval and (recipe.interval[0] - 50, recipe.interval[1] - 50)
            yield Gap(*names, recipe.n, recipe.value - 50, interval)


def _conclusion(gap: Gap) -> str:
    numbers = (
        f"{gap.value:+.2f}, 95 % interval {format_interval(gap.interval, 2)}, {gap.n} questions"
    )
    if gap.n < MIN_QUESTIONS:
        return f"{gap.first} and {gap.second} share too few questions for a conclusion: {numbers}"
    low, high = gap.interval or (0.0, 0.0)
    if low > 0:
        relation = "is better than"
    else:
        relation = "is worse than" if high < 0 else "is not significantly different from"
    return f"{gap.first} {relation} {gap.second} according to {gap.judge} ({gap.method}): {numbers}"


def _blocks(title: str, gaps: Sequence[Gap]) -> Iterator[BarChart | Table]:
    for judge, method in dict.fromkeys((gap.judge, gap.method) for gap in gaps):
        same_judge = [gap for gap in gaps if (gap.judge, gap.method) == (judge, method)]
        bars = [Bar(f"{gap.first} - {gap.second}", gap.value, gap.interval) for gap in same_judge]
        note = "paired by question; lines are 95 % intervals"
        yield BarChart(f"{title}: {method}, {judge}", "difference", bars, note)
    rows = [
        [gap.first, gap.second, gap.judge, gap.method, str(gap.n), f"{gap.value:+.2f}",
         format_interval(gap.interval, 2)]
        for gap in gaps
    ]  # fmt: skip
    head = ["system", "minus", "judge", "method", "questions", "difference", "95 % interval"]
    if rows:
        yield Table(title, head, rows)
