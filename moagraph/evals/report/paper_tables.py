"""The papers' tables, with a run's scores next to published ones of the same metric."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moagraph.evals.bootstrap import Interval
from moagraph.evals.published import published_tables, table_source
from moagraph.evals.report.blocks import Bar, BarChart, Section, Table
from moagraph.evals.summary import Measure

LC, WIN, GRADE = "LC win rate, %", "win rate, %", "grade, 1 to 10"
METRICS = {"pairwise-logprobs": WIN, "pairwise": WIN, "grade": GRADE}
CAPTION = "lighter bars are published results, usually with another judge and other questions"


@dataclass(frozen=True)
class RunScore:
    """A system's score in a run; `judge` is empty for a score that is computed from others."""

    system: str
    metric: str
    value: float
    interval: Interval | None
    judge: str = ""


def comparable_scores(measures: Sequence[Measure]) -> list[RunScore]:
    """Return the scores whose metric the papers report."""
    return [
        RunScore(
            measure.system, METRICS[measure.method], measure.value, measure.interval, measure.judge
        )
        for measure in measures
        if measure.method in METRICS and measure.value is not None
    ]


def build_paper_section(scores: Sequence[RunScore]) -> Section:
    """Build Tables 2, 3 and 4 of the MoA paper and the tables of the Self-MoA paper."""
    blocks = [*_table2(scores), *_table3(scores), *_table4(scores), *_self_moa(scores)]
    return Section("What the papers report", blocks)


def _table2(scores: Sequence[RunScore]) -> Iterator[BarChart | Table]:
    name = "moa_table2a_alpacaeval2"
    rows = published_tables()[name]["rows"]
    lc_bars = [_published_bar(row[0], row[1], row[2]) for row in rows]
    yield _chart("MoA, Table 2a: AlpacaEval 2.0", LC, lc_bars, scores)
    win_bars = [_published_bar(row[0], row[3], row[4]) for row in rows]
    yield _chart("MoA, Table 2a: AlpacaEval 2.0, without length control", WIN, win_bars, scores)
    yield _table(name, "MoA, Table 2a")
    name = "moa_table2b_mtbench"
    grade_bars = [
        _published_bar(row[0], row[1], row[2]) for row in published_tables()[name]["rows"]
    ]
    yield _chart("MoA, Table 2b: MT-Bench", GRADE, grade_bars, scores)
    yield _table(name, "MoA, Table 2b")


def _table3(scores: Sequence[RunScore]) -> Iterator[BarChart | Table]:
    name = "moa_table3_number_of_proposers"
    published = [
        Bar(f"{count} {kind}", value, None, own=False)
        for count, *values in sorted(published_tables()[name]["rows"])
        for kind, value in zip(("mixed", "of one model"), values, strict=True)
    ]
    own = [s for s in scores if s.metric in (LC, WIN) and _is_proposer_study(s.system)]
    yield _chart_of("MoA, Table 3: number of proposers", LC, published, own)
    yield _table(name, "MoA, Table 3")


def _table4(scores: Sequence[RunScore]) -> Iterator[BarChart | Table]:
    name = "moa_table4_roles"
    roles = ((1, "as aggregator", "aggregates"), (2, "as proposer", "proposes"))
    for column, role, prefix in roles:
        published = [
            _published_bar(row[0], row[column]) for row in published_tables()[name]["rows"]
        ]
        own = [s for s in scores if s.metric in (LC, WIN) and f"{prefix}-" in s.system]
        yield _chart_of(f"MoA, Table 4: each model {role}", LC, published, own)
    yield _table(name, "MoA, Table 4")
    yield _table("moa_table8_math", "MoA, Table 8")
    yield _table("moa_figure3_flask", "MoA, Figure 3")


def _self_moa(scores: Sequence[RunScore]) -> Iterator[BarChart | Table]:
    name = "selfmoa_table1_alpacaeval2"
    lc_bars = [
        _published_bar(f"{row[1]} ({row[0]})", row[2]) for row in published_tables()[name]["rows"]
    ]
    yield _chart("Self-MoA, Table 1: AlpacaEval 2.0", LC, lc_bars, scores)
    name = "selfmoa_table10_mtbench"
    grade_bars = [_published_bar(row[0], row[1]) for row in published_tables()[name]["rows"]]
    yield _chart("Self-MoA, Table 10: MT-Bench", GRADE, grade_bars, scores)
    for suffix in ("2", "4_regression", "6_mixture_task", "8", "10_mtbench", "12_usc"):
        yield _table(f"selfmoa_table{suffix}", f"Self-MoA, Table {suffix.split('_')[0]}")


def _chart(
    title: str, metric: str, published: Sequence[Bar], scores: Sequence[RunScore]
) -> BarChart:
    """Build a chart of the published bars and the run's scores of the same metric."""
    own = [score for score in scores if score.metric == metric]
    return _chart_of(title, metric, published, own)


def _chart_of(title: str, unit: str, published: Sequence[Bar], own: Sequence[RunScore]) -> BarChart:
    bars = [Bar(f"{score.system} (here)", score.value, score.interval) for score in own]
    return BarChart(title, unit, [*published, *bars], _caption(own))


def _published_bar(label: Any, value: float, deviation: float | None = None) -> Bar:
    interval = (value - deviation, value + deviation) if deviation else None
    return Bar(str(label), value, interval, own=False)


def _table(name: str, title: str) -> Table:
    table = published_tables()[name]
    width = max(len(row) for row in table["rows"])
    head = table.get("columns") or ["", *[""] * (width - 2), table.get("metric", "")]
    rows = [["-" if cell is None else str(cell) for cell in row] for row in table["rows"]]
    remarks = [table.get(key) for key in ("metric", "setting", "model", "note", "remark")]
    notes = [*(str(remark) for remark in remarks if remark), f"source: {table_source(name)}"]
    return Table(title, head, rows, "; ".join(notes))


def _caption(own: Sequence[RunScore]) -> str:
    judges = sorted({score.judge for score in own if score.judge})
    here = f"; here: judged by {', '.join(judges)}, lines are 95 % intervals" if judges else ""
    return f"{CAPTION}; published lines are the standard deviation of 3 runs{here}"


def _is_proposer_study(system: str) -> bool:
    """Whether the name is one that `moa eval study proposers` gives, such as `mixed-3`."""
    return re.search(r"(mixed|single)-\d+", system) is not None
