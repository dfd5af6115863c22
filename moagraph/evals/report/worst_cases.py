"""The answers with the lowest scores, next to another system's, with the texts of every layer."""

from collections.abc import Mapping, Sequence

from moagraph.evals.report.blocks import Statement, WorstCase
from moagraph.evals.results import Results, Row, TurnKey, turn_key
from moagraph.evals.summary import values_by_turn

MAX_CASES = 6
MAX_CHARACTERS = 20_000


def find_worst_cases(results: Results) -> list[WorstCase]:
    """Return the lowest-scored answers of the recipes; of all systems if the run has no recipe.

    The scores are those of the first judge that has a parsed verdict.
    """
    judge = next((str(row["judge"]) for row in results.verdicts if row["parsed"]), None)
    if judge is None:
        return []
    answers = {system: results.answers_by_turn(system) for system in results.systems}
    recipes = [
        name
        for name, rows in answers.items()
        if any(row["kind"] == "recipe" for row in rows.values())
    ]
    scored = sorted(
        (value, system, turn)
        for system in recipes or results.systems
        for turn, value in values_by_turn(_verdicts(results, system, judge)).items()
        if turn in answers[system]
    )
    return [
        _build_case(results, answers, system, turn, judge, value)
        for value, system, turn in scored[:MAX_CASES]
    ]


def _verdicts(results: Results, system: str, judge: str) -> list[Row]:
    return [row for row in results.verdicts if (row["system"], row["judge"]) == (system, judge)]


def _build_case(
    results: Results,
    answers: Mapping[str, Mapping[TurnKey, Row]],
    system: str,
    turn: TurnKey,
    judge: str,
    value: float,
) -> WorstCase:
    row = answers[system][turn]
    verdicts = [
        verdict for verdict in _verdicts(results, system, judge) if turn_key(verdict) == turn
    ]
    others = [name for name in answers if name != system and turn in answers[name]]
    baseline = str(results.run.get("baseline"))
    compared = [baseline] if baseline in others else others[:1]
    return WorstCase(
        f"{system}, question {turn[0]}, turn {turn[1]}: {value:.4g} by {judge}",
        _shortened(row["question"]),
        [
            Statement(name, _shortened(answers[name][turn]["answer"]))
            for name in (system, *compared)
        ],
        [
            Statement(_verdict_label(verdict), _shortened(verdict.get("text") or ""))
            for verdict in verdicts
        ],
        [_layer_statements(layer, row.get("steps") or []) for layer in row.get("layers") or []],
    )


def _layer_statements(layer: Row, steps: Sequence[Row]) -> list[Statement]:
    """Return the layer's proposals, and the outputs of its steps that asked a model."""
    number = layer.get("layer")
    proposals: Sequence[Row] = layer.get("proposals") or []
    model_steps = [
        step
        for step in steps
        if "model" in step and str(step.get("node")).startswith(f"L{number}_")
    ]
    return [
        Statement(
            f"{number}.{proposal.get('seat')} {proposal.get('model')}",
            _shortened(proposal.get("text") or proposal.get("error") or ""),
            not proposal.get("ok", True),
        )
        for proposal in proposals
    ] + [
        Statement(
            f"{step['node']} {step['model']}",
            _shortened(step.get("text") or ""),
            not step.get("ok", True),
        )
        for step in model_steps
    ]


def _verdict_label(row: Row) -> str:
    details = [str(row[key]) for key in ("order", "skill") if row.get(key)]
    unparsed = [] if row["parsed"] else ["(unparsed)"]
    return " ".join([str(row["judge"]), *details, *unparsed])


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]} … ({len(text)} characters)"
