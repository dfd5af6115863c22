"""FastChat's file formats for MT-Bench: a model's answers, and a judge's grades."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from moagraph.evals.json_files import write_text
from moagraph.evals.results import Results, Row, turn_key
from moagraph.evals.sets.reading import read_numbered_rows
from moagraph.nodes.errors import UsageError

UNPARSED_SCORE = -1  # FastChat's score of a judgement without a grade


def read_lines(file: Path, *required: str) -> list[dict[str, Any]]:
    """Read the objects of a JSONL file.

    Args:
        file: The file.
        required: The keys that every object must have.
    """
    rows = read_numbered_rows(file)
    for number, row in rows:
        for key in required:
            if key not in row:
                raise UsageError(f"{file}:{number}: `{key}` is missing")
    return [row for _, row in rows]


def read_answers(file: Path) -> dict[int | str, list[str]]:
    """Read a model's answers by question, turn after turn; of several choices the first."""
    rows = read_lines(file, "question_id", "model_id", "choices")
    try:
        return {row["question_id"]: [str(t) for t in row["choices"][0]["turns"]] for row in rows}
    except (LookupError, TypeError) as error:
        raise UsageError(f"{file}: `choices` has no `turns`: {error}") from error


def read_grades(file: Path) -> list[dict[str, Any]]:
    """Read the judgements of single answers; the score of one without a grade is None."""
    rows = read_lines(file, "question_id", "model", "judge", "score", "turn")
    return [
        row | {"score": None if row["score"] == UNPARSED_SCORE else row["score"]} for row in rows
    ]


def export_answers(results: Results, system: str) -> list[dict[str, Any]]:
    """Return a system's answers in FastChat's format, one row per question."""
    questions: dict[str, dict[int, Row]] = defaultdict(dict)
    for (question, turn), row in results.answers_by_turn(system).items():
        questions[question][turn] = row
    return [
        {
            "question_id": _question_id(turns[min(turns)]["id"]),
            "answer_id": str(turns[min(turns)]["key"])[:22],
            "model_id": system,
            "choices": [{"index": 0, "turns": [turns[turn]["answer"] for turn in sorted(turns)]}],
            "tstamp": _timestamp(results.run),
        }
        for turns in questions.values()
    ]


def export_grades(results: Results, judge: str) -> list[dict[str, Any]]:
    """Return a judge's grades in FastChat's format."""
    return [
        {
            "question_id": _question_id(row["id"]),
            "model": row["system"],
            "judge": [judge, row.get("prompt", "")],
            "user_prompt": "",
            "judgment": row.get("text", ""),
            "score": row["score"] if row["parsed"] else UNPARSED_SCORE,
            "turn": turn_key(row)[1],
            "tstamp": _timestamp(results.run),
        }
        for row in results.verdicts
        if row["judge"] == judge and row["method"] == "grade"
    ]


def write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines."""
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def average_grades(grades: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return each model's mean grade by turn and over all turns, as FastChat's table does."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in grades:
        if row["score"] is not None and row["score"] != UNPARSED_SCORE:
            for column in (f"turn {row['turn']}", "average"):
                scores[row["model"]][column].append(float(row["score"]))
    return {
        model: {name: math.fsum(values) / len(values) for name, values in sorted(columns.items())}
        for model, columns in scores.items()
    }


def _question_id(id_: Any) -> Any:
    """Return FastChat's form of an id: a number if possible."""
    return int(id_) if isinstance(id_, str) and id_.isdigit() else id_


def _timestamp(run: Row) -> float:
    try:
        return datetime.fromisoformat(str(run.get("created"))).timestamp()
    except ValueError:
        return 0.0
