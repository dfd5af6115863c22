"""The answers that a judge liked least, beside another's, with every layer's text."""

from collections.abc import Mapping, Sequence

from moagraph.evals.report.blocks import Case, Said
from moagraph.evals.results import Results, Row, Where, where
from moagraph.evals.summary import by_question

MOST = 6
LONGEST = 20_000


def worst(results: Results) -> list[Case]:
    """Of mixtures where there are any, else of all systems; by the first judge that ruled."""
    judge = next((str(row["judge"]) for row in results.verdicts if row["parsed"]), None)
    if judge is None:
        return []
    answers = {system: results.of(system) for system in results.systems}
    mixed = [
        name for name, rows in answers.items() if any(r["kind"] == "recipe" for r in rows.values())
    ]
    found = [
        (value, system, at)
        for system in mixed or results.systems
        for at, value in _values(results, system, judge).items()
        if at in answers[system]
    ]
    found.sort(key=lambda one: (one[0], one[1], one[2]))
    return [_case(results, answers, system, at, judge, value) for value, system, at in found[:MOST]]


def _values(results: Results, system: str, judge: str) -> dict[Where, float]:
    return by_question(_rulings(results, system, judge))


def _rulings(results: Results, system: str, judge: str) -> list[Row]:
    return [r for r in results.verdicts if (r["system"], r["judge"]) == (system, judge)]


def _case(
    results: Results,
    answers: Mapping[str, Mapping[Where, Row]],
    system: str,
    at: Where,
    judge: str,
    value: float,
) -> Case:
    row = answers[system][at]
    rulings = [one for one in _rulings(results, system, judge) if where(one) == at]
    others = [name for name in answers if name != system and at in answers[name]]
    baseline = str(results.run.get("baseline"))
    beside = [baseline] if baseline in others else others[:1]
    return Case(
        f"{system}, question {at[0]}, turn {at[1]}: {value:.4g} by {judge}",
        _cut(row["question"]),
        [Said(name, _cut(answers[name][at]["answer"])) for name in (system, *beside)],
        [Said(_how(one), _cut(one.get("text") or "")) for one in rulings],
        [_layer(layer, row.get("steps") or []) for layer in row.get("layers") or []],
    )


def _layer(layer: Row, steps: Sequence[Row]) -> list[Said]:
    """Its seats, and the steps behind them that asked a model."""
    seats: Sequence[Row] = layer.get("proposals") or []
    behind = f"L{layer.get('layer')}_"
    asked = [one for one in steps if "model" in one and str(one.get("node")).startswith(behind)]
    return [
        Said(
            f"{layer.get('layer')}.{seat.get('seat')} {seat.get('model')}",
            _cut(seat.get("text") or seat.get("error") or ""),
            not seat.get("ok", True),
        )
        for seat in seats
    ] + [
        Said(f"{one['node']} {one['model']}", _cut(one.get("text") or ""), not one.get("ok", True))
        for one in asked
    ]


def _how(row: Row) -> str:
    told = [str(row[key]) for key in ("order", "skill") if row.get(key)]
    return " ".join([str(row["judge"]), *told, *([] if row["parsed"] else ["(not in form)"])])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"
