"""`alpaca_eval`'s two files: a model's outputs, and a judge's annotations of pairs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moagraph.evals.json_files import read_rows, write_text
from moagraph.evals.results import Results, Row, where
from moagraph.nodes.errors import UsageError

OUTPUT = ("instruction", "output", "generator")


def read_outputs(file: Path) -> list[dict[str, Any]]:
    """The rows of a `model_outputs.json`."""
    rows = read_rows(file, "model outputs")
    for number, row in enumerate(rows, 1):
        for key in OUTPUT:
            if not isinstance(row.get(key), str):
                raise UsageError(f"{file}: row {number}: `{key}` is missing or no text")
    return rows


def outputs_of(results: Results, system: str) -> list[dict[str, Any]]:
    """A system's answers as such rows."""
    return [
        {
            "dataset": _dataset(row, results),
            "instruction": row["question"],
            "output": row["answer"],
            "generator": system,
        }
        for (_, turn), row in results.of(system).items()
        if turn == 1
    ]


def annotations_of(results: Results, system: str, judge: str) -> list[dict[str, Any]]:
    """What a judge said of a system and its baseline; an unread verdict has no preference."""
    rows = [row for row in results.verdicts if (row["system"], row["judge"]) == (system, judge)]
    pairs = [row for row in rows if row.get("baseline") and where(row)[1] == 1]
    if not pairs:
        raise UsageError(f"{judge!r} compared no answer of {system!r} with a baseline's")
    mine = results.of(system)
    theirs: Mapping[str, Mapping[Any, Row]] = {
        name: results.of(name) for name in {row["baseline"] for row in pairs}
    }
    return [
        {
            "instruction": mine[where(row)]["question"],
            "output_1": theirs[row["baseline"]][where(row)]["answer"],
            "generator_1": row["baseline"],
            "dataset": _dataset(mine[where(row)], results),
            "output_2": mine[where(row)]["answer"],
            "generator_2": system,
            "annotator": judge,
            "preference": row.get("preference") if row["parsed"] else None,
            "raw_completion": row.get("text", ""),
        }
        for row in pairs
        if where(row) in mine and where(row) in theirs[row["baseline"]]
    ]


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A JSON array, as both files are."""
    write_text(file, json.dumps(list(rows), ensure_ascii=False, indent=2) + "\n")


def _dataset(row: Row, results: Results) -> str:
    """Where an instruction is from; AlpacaEval's parts are its categories."""
    known: Iterable[Any] = (row.get("category"), row.get("dataset"), results.run.get("dataset"))
    return str(next((one for one in known if one), ""))
