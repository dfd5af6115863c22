"""`alpaca_eval`'s two file formats: a model's outputs, and a judge's annotations of pairs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moagraph.evals.json_files import read_rows, write_text
from moagraph.evals.results import Results, Row, turn_key
from moagraph.nodes.errors import UsageError

OUTPUT_KEYS = ("instruction", "output", "generator")


def read_outputs(file: Path) -> list[dict[str, Any]]:
    """Read the rows of a `model_outputs.json`."""
    rows = read_rows(file, "model outputs")
    for number, row in enumerate(rows, 1):
        for key in OUTPUT_KEYS:
            if not isinstance(row.get(key), str):
                raise UsageError(f"{file}: row {number}: `{key}` is missing or no text")
    return rows


def export_outputs(results: Results, system: str) -> list[dict[str, Any]]:
    """Return a system's answers as rows of a `model_outputs.json`; first turns only."""
    return [
        {
            "dataset": _dataset(row, results),
            "instruction": row["question"],
            "output": row["answer"],
            "generator": system,
        }
        for (_, turn), row in results.answers_by_turn(system).items()
        if turn == 1
    ]


def export_annotations(results: Results, system: str, judge: str) -> list[dict[str, Any]]:
    """Return a judge's comparisons with the baseline as rows of an `annotations.json`.

    A verdict that was not parsed has no preference.

    Args:
        results: The run.
        system: The system whose answers were judged.
        judge: The judge's name.
    """
    rows = [row for row in results.verdicts if (row["system"], row["judge"]) == (system, judge)]
    verdicts = [row for row in rows if row.get("baseline") and turn_key(row)[1] == 1]
    if not verdicts:
        raise UsageError(f"{judge!r} compared no answer of {system!r} with a baseline's")
    answers = results.answers_by_turn(system)
    baseline_answers: Mapping[str, Mapping[Any, Row]] = {
        name: results.answers_by_turn(name) for name in {row["baseline"] for row in verdicts}
    }
    return [
        {
            "instruction": answers[turn_key(row)]["question"],
            "output_1": baseline_answers[row["baseline"]][turn_key(row)]["answer"],
            "generator_1": row["baseline"],
            "dataset": _dataset(answers[turn_key(row)], results),
            "output_2": answers[turn_key(row)]["answer"],
            "generator_2": system,
            "annotator": judge,
            "preference": row.get("preference") if row["parsed"] else None,
            "raw_completion": row.get("text", ""),
        }
        for row in verdicts
        if turn_key(row) in answers and turn_key(row) in baseline_answers[row["baseline"]]
    ]


def write_json_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a JSON array."""
    write_text(file, json.dumps(list(rows), ensure_ascii=False, indent=2) + "\n")


def _dataset(row: Row, results: Results) -> str:
    """Return the source of an instruction; AlpacaEval's subsets are our categories."""
    names: Iterable[Any] = (row.get("category"), row.get("dataset"), results.run.get("dataset"))
    return str(next((name for name in names if name), ""))
