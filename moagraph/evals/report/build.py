"""A report out of one run, or of two that are compared."""

from collections.abc import Callable, Iterator, Sequence

from moagraph.evals.formats.alpaca import annotations_of
from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.pairs import pairs_of
from moagraph.evals.length_control.score import Score, score
from moagraph.evals.report.blocks import (
    Bar,
    Bars,
    Pareto,
    Point,
    Report,
    Section,
    Table,
    between,
    number,
)
from moagraph.evals.report.cases import worst
from moagraph.evals.report.papers import LC, Own, own_of, papers
from moagraph.evals.results import Results
from moagraph.evals.summary import Bill, Gap, Measure, Values, bills, gaps, measures, paired, valued
from moagraph.nodes.errors import UsageError

FEWEST = 20  # questions, for a word on who is better
Cost = Callable[[Bill], float | None]
COSTS: tuple[tuple[str, str, Cost], ...] = (
    ("US dollars an answer", "over its price", lambda bill: bill.cost_usd),
    (
        "TFLOPs an answer, the most of each layer (how long one waits)",
        "over its computing",
        lambda bill: (bill.tflops or {}).get("latency"),
    ),
)


def report(runs: Sequence[Results], constants: Constants | None = None) -> Report:
    """The whole report; of two runs the first is compared with the second."""
    sections, own = [], list[Own]()
    for run in runs:
        found = measures(run)
        scores = _scores(run, found, constants)
        own += [*own_of(found), *_lc(scores)]
        sections.append(Section(f"Run {_name(run)}", list(_run(run, found, scores)), run.notes))
    sections.append(_compared(runs, found))
    sections += [
        Section(f"Worst cases of {_name(run)}", cases) for run in runs if (cases := worst(run))
    ]
    sections.append(papers(own))
    names = " against ".join(_name(run) for run in runs)
    smoke = any(run.run.get("smoke") for run in runs)
    return Report(names, _about(runs), sections, ["A smoke run: no conclusions"] if smoke else [])


def _name(run: Results) -> str:
    return run.folder.resolve().name


def _about(runs: Sequence[Results]) -> str:
    told = []
    for run in runs:
        questions = len({str(row["id"]) for row in run.answers})
        against = f", baseline {run.run['baseline']}" if run.run.get("baseline") else ""
        when = str(run.run.get("created") or "")[:16].replace("T", " ")
        rows = run.run.get("rows") or questions
        of = f" of {rows}" if isinstance(rows, int) and rows > questions else ""
        told.append(
            f"{run.run.get('dataset')}: {questions}{of} questions{against}, {when}".rstrip(", ")
        )
    return "; ".join(told)


def _run(
    run: Results, found: Sequence[Measure], scores: Sequence[Score]
) -> Iterator[Bars | Pareto | Table]:
    bill = {one.system: one for one in bills(run)}
    yield _costs(list(bill.values()))
    for judge, method in dict.fromkeys((one.judge, one.method) for one in found):
        mine = [one for one in found if (one.judge, one.method) == (judge, method)]
        yield from _judged([*mine, *_even(run, mine)], bill)
    if scores:
        yield from _adjusted(scores)


def _even(run: Results, mine: Sequence[Measure]) -> Iterator[Measure]:
    """The baseline, which wins half of what it is compared with: itself."""
    baseline, one = run.run.get("baseline"), mine[0]
    known = any(other.value is not None for other in mine)
    pairs = known and one.method.startswith("pairwise")
    if pairs and baseline not in (None, *(other.system for other in mine)):
        yield Measure(str(baseline), one.judge, one.method, one.n, 50.0, None, 0)


def _judged(mine: Sequence[Measure], bill: dict[str, Bill]) -> Iterator[Bars | Pareto | Table]:
    first, known = mine[0], [one for one in mine if one.value is not None]
    title = f"{first.name}, judged by {first.judge}"
    if known:
        drawn = [Bar(one.system, one.value or 0.0, one.interval) for one in known]
        yield Bars(title, first.name, drawn, "lines are 95 % intervals over questions")
    yield _values(title, mine)
    for x_name, what, cost in COSTS:
        taken = {one.system: cost(bill[one.system]) for one in known if one.system in bill}
        points = [
            Point(one.system, taken[one.system] or 0.0, one.value or 0.0, one.interval)
            for one in known
            if taken.get(one.system) is not None
        ]
        missing = [system for system, cost in taken.items() if cost is None]
        left = f"not known for {', '.join(missing)}" if missing else ""
        if points:
            yield Pareto(f"{title}, {what}", x_name, first.name, points, left)


def _values(title: str, mine: Sequence[Measure]) -> Table:
    parts = list(dict.fromkeys(part for one in mine for part in one.parts))
    head = ["system", "n", "value", "95 % interval", "not in form", "turned by order", *parts]
    rows = [
        [
            one.system,
            str(one.n),
            number(one.value),
            between(one.interval),
            str(one.unparsed),
            "-" if one.flips is None else f"{one.flips:.0%}",
            *(number(one.parts.get(part)) for part in parts),
        ]
        for one in mine
    ]
    return Table(title, head, rows, "verdicts that are not in form are not counted in the value")


def _costs(bill: Sequence[Bill]) -> Table:
    kinds = ("decode", "total", "latency")
    head = ["system", "answers", "failed", "calls", "tokens in", "tokens out", "US dollars"]
    head += [*(f"TFLOPs, {kind}" for kind in kinds), "seconds"]
    rows = [
        [
            one.system,
            str(one.answers),
            str(one.failed),
            number(one.calls, 1),
            number(one.input_tokens, 0),
            number(one.output_tokens, 0),
            number(one.cost_usd, 5),
            *(number((one.tflops or {}).get(kind), 1) for kind in kinds),
            number(one.seconds, 1),
        ]
        for one in bill
    ]
    note = "means an answer; TFLOPs are 2 x active parameters x tokens; - is not known"
    return Table("What an answer took", head, rows, note)


def _scores(run: Results, found: Sequence[Measure], constants: Constants | None) -> list[Score]:
    """Of what was compared with a baseline: both win rates, where there are constants."""
    scores = []
    for one in found:
        if constants is None or not one.method.startswith("pairwise") or one.value is None:
            continue
        try:
            rows = annotations_of(run, one.system, one.judge)
            scores.append(score(pairs_of(rows, str(run.run.get("baseline"))), constants))
        except UsageError:
            continue  # the baseline's answers are not in the folder
    return scores


def _adjusted(scores: Sequence[Score]) -> Iterator[Table]:
    rows = []
    for one in scores:
        rate = one.lc or one.adjusted
        name = "LC win rate" if one.lc else f"length-adjusted (not LC: {one.why_not_lc})"
        value, drawn = (rate.value, rate.interval) if rate else (None, None)
        rows.append([one.model, str(one.n), name, number(value), between(drawn)])
    head = ["system", "n", "what", "value", "95 % interval"]
    yield Table("Win rates with lengths made equal", head, rows)


def _lc(scores: Sequence[Score]) -> list[Own]:
    return [Own(one.model, LC, one.lc.value, one.lc.interval) for one in scores if one.lc]


def _compared(runs: Sequence[Results], measured: Sequence[Measure]) -> Section:
    """Of two runs every pair; of one, as it was measured, its recipes and the best single model."""
    if len(runs) == 2:
        found = gaps(runs[0], runs[1])
        title = f"{_name(runs[0])} less {_name(runs[1])}"
        return Section(title, list(_gaps(title, found)), [] if found else ["nothing in common"])
    found = _over_the_best(runs[0], measured)
    title = "Recipes less the best single model"
    notes = [_verdict(gap) for gap in found] or ["no recipe and single model share a judge here"]
    return Section(title, list(_gaps(title, found)), notes)


def _over_the_best(run: Results, measured: Sequence[Measure]) -> list[Gap]:
    """Each recipe less the single model that the same judge liked best; the baseline counts too."""
    kinds = {row["system"]: row.get("kind") for row in run.answers}
    said = valued(run)
    found = list[Gap]()
    for judge, method in dict.fromkeys((one.judge, one.method) for one in measured):
        mine = [one for one in measured if (one.judge, one.method) == (judge, method)]
        all_ = [one for one in (*mine, *_even(run, mine)) if one.value is not None]
        singles = [one for one in all_ if kinds.get(one.system, "model") != "recipe"]
        if not singles:
            continue
        best = max(singles, key=lambda one: one.value or 0.0)
        found += _less(said, [one for one in all_ if kinds.get(one.system) == "recipe"], best)
    return found


def _less(said: Values, recipes: Sequence[Measure], best: Measure) -> Iterator[Gap]:
    for one in recipes:
        key = (one.system, best.system, one.judge, one.method)
        how = (one.judge, one.method)
        if gap := paired(said.get((one.system, *how), {}), said.get((best.system, *how), {})):
            yield Gap(*key, *gap)
        elif best.interval is None and one.value is not None:  # the baseline: half, by definition
            low, high = one.interval or (one.value, one.value)
            drawn = (low - 50, high - 50) if one.interval else None
            yield Gap(*key, one.n, one.value - 50, drawn)


def _verdict(gap: Gap) -> str:
    told = f"{gap.value:+.2f}, 95 % interval {between(gap.interval, 2)}, {gap.n} questions"
    if gap.n < FEWEST:
        return f"{gap.one} and {gap.other} met on too few questions to say more: {told}"
    low, high = gap.interval or (0.0, 0.0)
    how = "is better than" if low > 0 else "is worse than" if high < 0 else "cannot be told from"
    return f"{gap.one} {how} {gap.other} in the eyes of {gap.judge} ({gap.method}): {told}"


def _gaps(title: str, found: Sequence[Gap]) -> Iterator[Bars | Table]:
    for judge, method in dict.fromkeys((gap.judge, gap.method) for gap in found):
        mine = [gap for gap in found if (gap.judge, gap.method) == (judge, method)]
        drawn = [Bar(f"{gap.one} - {gap.other}", gap.value, gap.interval) for gap in mine]
        note = "paired by question; lines are 95 % intervals"
        yield Bars(f"{title}: {method}, {judge}", "difference", drawn, note)
    rows = [
        [gap.one, gap.other, gap.judge, gap.method, str(gap.n), f"{gap.value:+.2f}",
         between(gap.interval, 2)]
        for gap in found
    ]  # fmt: skip
    head = ["system", "less", "judge", "how", "questions", "difference", "95 % interval"]
    if rows:
        yield Table(title, head, rows)
