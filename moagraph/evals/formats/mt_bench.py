"""MT-Bench's files as FastChat has them: a model's answers, and a judge's grades."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from moagraph.evals.json_files import write_text
from moagraph.evals.results import Results, Row, where
from moagraph.evals.sets.reading import rows_of
from moagraph.nodes.errors import UsageError

UNREAD = -1  # the score of a judgement without a grade


def read_lines(file: Path, *needed: str) -> list[dict[str, Any]]:
    """The objects of a JSONL file, each with the keys that are needed."""
    rows = rows_of(file)
    for number, row in rows:
        for key in needed:
            if key not in row:
                raise UsageError(f"{file}:{number}: `{key}` is missing")
    return [row for _, row in rows]


def read_answers(file: Path) -> dict[int | str, list[str]]:
    """The turns of each question, as a model answered them first."""
    rows = read_lines(file, "question_id", "model_id", "choices")
    try:
        return {row["question_id"]: [str(t) for t in row["choices"][0]["turns"]] for row in rows}
    except (LookupError, TypeError) as error:
        raise UsageError(f"{file}: `choices` has no `turns`: {error}") from error


def read_grades(file: Path) -> list[dict[str, Any]]:
    """The judgements of single answers; those without a grade have the score None."""
    rows = read_lines(file, "question_id", "model", "judge", "score", "turn")
    return [row | {"score": None if row["score"] == UNREAD else row["score"]} for row in rows]


def answers_of(results: Results, system: str) -> list[dict[str, Any]]:
    """A system's answers, a question a row."""
    turns: dict[str, dict[int, Row]] = defaultdict(dict)
    for (question, turn), row in results.of(system).items():
        turns[question][turn] = row
    return [
        {
            "question_id": _number(said[min(said)]["id"]),
            "answer_id": str(said[min(said)]["key"])[:22],
            "model_id": system,
            "choices": [{"index": 0, "turns": [said[turn]["answer"] for turn in sorted(said)]}],
            "tstamp": _seconds(results.run),
        }
        for said in turns.values()
    ]


def grades_of(results: Results, judge: str) -> list[dict[str, Any]]:
    """A judge's grades."""
    return [
        {
            "question_id": _number(row["id"]),
            "model": row["system"],
            "judge": [judge, row.get("prompt", "")],
            "user_prompt": "",
            "judgment": row.get("text", ""),
            "score": row["score"] if row["parsed"] else UNREAD,
            "turn": where(row)[1],
            "tstamp": _seconds(results.run),
        }
        for row in results.verdicts
        if row["judge"] == judge and row["method"] == "grade"
    ]


def write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """An object a line."""
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def averages(grades: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each model: the first turn, the second, and all, as FastChat's table has them."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in grades:
        if row["score"] is not None and row["score"] != UNREAD:
            for name in (f"turn {row['turn']}", "average"):
                found[row["model"]][name].append(float(row["score"]))
    return {
        model: {name: math.fsum(values) / len(values) for name, values in sorted(by.items())}
        for model, by in found.items()
    }


def _number(said: Any) -> Any:
    """FastChat's questions have numbers."""
    return int(said) if isinstance(said, str) and said.isdigit() else said


def _seconds(run: Row) -> float:
    try:
        return datetime.fromisoformat(str(run.get("created"))).timestamp()
    except ValueError:
        return 0.0
