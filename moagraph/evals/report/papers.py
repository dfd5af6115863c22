"""The papers' tables, with a run's own numbers among them where they mean the same."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moagraph.evals.bootstrap import Interval
from moagraph.evals.published import facts, source
from moagraph.evals.report.blocks import Bar, Bars, Section, Table
from moagraph.evals.summary import Measure

LC, WIN, GRADE = "LC win rate, %", "win rate, %", "grade, 1 to 10"
OTHERS = "lighter bars are published; judge and questions differ unless they say otherwise"


@dataclass(frozen=True)
class Own:
    """A number of a run."""

    system: str
    what: str
    value: float
    interval: Interval | None
    how: str = ""  # what it was judged by


def own_of(measures: Sequence[Measure]) -> list[Own]:
    """What a run's measures put beside the papers'."""
    kinds = {"pairwise-logprobs": WIN, "pairwise": WIN, "grade": GRADE}
    return [
        Own(one.system, kinds[one.method], one.value, one.interval, one.judge)
        for one in measures
        if one.method in kinds and one.value is not None
    ]


def papers(own: Sequence[Own]) -> Section:
    """Tables 2, 3 and 4 of the MoA paper, and those of Self-MoA."""
    blocks = [*_table2(own), *_table3(own), *_roles(own), *_selfmoa(own)]
    return Section("What the papers report", blocks)


def _table2(own: Sequence[Own]) -> Iterator[Bars | Table]:
    name = "moa_table2a_alpacaeval2"
    rows = facts()[name]["rows"]
    published = [_bar(row[0], row[1], row[2]) for row in rows]
    yield _bars("MoA, Table 2a: AlpacaEval 2.0", LC, published, own, LC)
    won = [_bar(row[0], row[3], row[4]) for row in rows]
    yield _bars("MoA, Table 2a: AlpacaEval 2.0, lengths as they are", WIN, won, own, WIN)
    yield _plain(name, "MoA, Table 2a")
    name = "moa_table2b_mtbench"
    graded = [_bar(row[0], row[1], row[2]) for row in facts()[name]["rows"]]
    yield _bars("MoA, Table 2b: MT-Bench", GRADE, graded, own, GRADE)
    yield _plain(name, "MoA, Table 2b")


def _table3(own: Sequence[Own]) -> Iterator[Bars | Table]:
    name = "moa_table3_number_of_proposers"
    rows = sorted(facts()[name]["rows"])
    published = [
        Bar(f"{count} {way}", value, None, own=False)
        for count, *values in rows
        for way, value in zip(("mixed", "of one model"), values, strict=True)
    ]
    mine = [one for one in own if _count(one.system) and one.what in (LC, WIN)]
    yield Bars(
        "MoA, Table 3: number of proposers", LC, [*published, *map(_own_bar, mine)], _note(mine)
    )
    yield _plain(name, "MoA, Table 3")


def _roles(own: Sequence[Own]) -> Iterator[Bars | Table]:
    name = "moa_table4_roles"
    for place, way, prefix in ((1, "as aggregator", "aggregates"), (2, "as proposer", "proposes")):
        published = [_bar(row[0], row[place]) for row in facts()[name]["rows"]]
        mine = [one for one in own if f"{prefix}-" in one.system and one.what in (LC, WIN)]
        bars = [*published, *map(_own_bar, mine)]
        yield Bars(f"MoA, Table 4: each model {way}", LC, bars, _note(mine))
    yield _plain(name, "MoA, Table 4")
    yield _plain("moa_table8_math", "MoA, Table 8")
    yield _plain("moa_figure3_flask", "MoA, Figure 3")


def _selfmoa(own: Sequence[Own]) -> Iterator[Bars | Table]:
    name = "selfmoa_table1_alpacaeval2"
    published = [_bar(f"{row[1]} ({row[0]})", row[2]) for row in facts()[name]["rows"]]
    yield _bars("Self-MoA, Table 1: AlpacaEval 2.0", LC, published, own, LC)
    name = "selfmoa_table10_mtbench"
    graded = [_bar(row[0], row[1]) for row in facts()[name]["rows"]]
    yield _bars("Self-MoA, Table 10: MT-Bench", GRADE, graded, own, GRADE)
    for name in ("2", "4_regression", "6_mixture_task", "8", "10_mtbench", "12_usc"):
        yield _plain(f"selfmoa_table{name}", f"Self-MoA, Table {name.split('_')[0]}")


def _bars(title: str, unit: str, published: list[Bar], own: Sequence[Own], what: str) -> Bars:
    mine = [one for one in own if one.what == what]
    return Bars(title, unit, [*published, *map(_own_bar, mine)], _note(mine))


def _plain(name: str, title: str) -> Table:
    known = facts()[name]
    width = max(len(row) for row in known["rows"])
    head = known.get("columns") or ["", *[""] * (width - 2), known.get("metric", "")]
    rows = [["-" if cell is None else str(cell) for cell in row] for row in known["rows"]]
    remarks = (known.get(key) for key in ("metric", "setting", "model", "note", "remark"))
    said = [*(str(one) for one in remarks if one), f"source: {source(name)}"]
    return Table(title, head, rows, "; ".join(said))


def _bar(label: Any, value: float, sd: float | None = None) -> Bar:
    return Bar(str(label), value, (value - sd, value + sd) if sd else None, own=False)


def _own_bar(one: Own) -> Bar:
    return Bar(f"{one.system} (here)", one.value, one.interval)


def _note(mine: Sequence[Own]) -> str:
    judges = sorted({one.how for one in mine if one.how})
    here = f"; here: judged by {', '.join(judges)}, bars are 95 % intervals" if judges else ""
    return f"{OTHERS}; published ranges are sd over 3 runs{here}"


def _count(system: str) -> bool:
    return re.search(r"(mixed|single)-\d+", system) is not None
