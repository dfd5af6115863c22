"""MT-Bench in FastChat's layout: questions of two turns, reference answers, judge prompts."""

from pathlib import Path
from typing import Any

from moagraph.evals.dataset import DataSet, Id, Item
from moagraph.evals.sets.prompts import parse_temperature
from moagraph.evals.sets.reading import read_numbered_rows
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

QUESTIONS = "question.jsonl"
PROMPTS = "judge_prompts.jsonl"
MAX_TOKENS = 1024
# FastChat's `temperature_config`; every category that it does not name has the default.
TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
DEFAULT_TEMPERATURE = 0.7
References = dict[Id, tuple[str, ...]]


def has_format(row: Json) -> bool:
    """Return whether the row is a question with its turns."""
    return {"question_id", "turns"} <= row.keys()


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """Load the questions, each at its category's temperature.

    Reference answers and judge prompts come from the question file's folder.

    Args:
        file: The question file.
        rows: Its rows, each with its line number.
    """
    references = _references(file.parent)
    items = [_item(file, number, row, references) for number, row in rows]
    return DataSet("mt_bench", tuple(items), str(file), MAX_TOKENS, _prompts(file.parent))


def _item(file: Path, number: int, row: Json, references: References) -> Item:
    location = f"{file}:{number}"
    category = str(row.get("category", "")) or None
    default = TEMPERATURES.get(category or "", DEFAULT_TEMPERATURE)
    key, id_ = "required_temperature", _id(location, row)
    return Item(
        id=id_,
        turns=_turns(location, row),
        category=category,
        temperature=parse_temperature(location, row.get(key, default), key),
        references=references.get(id_, ()),
        row=row,
    )


def _id(location: str, row: Json) -> Id:
    id_ = row.get("question_id")
    if not isinstance(id_, int | str):
        raise UsageError(f"{location}: `question_id` is a number or a text")
    return id_


def _turns(location: str, row: Any) -> tuple[str, ...]:
    turns = row.get("turns") if isinstance(row, dict) else None
    if not isinstance(turns, list) or not turns or not all(isinstance(t, str) for t in turns):
        raise UsageError(f"{location}: `turns` is a list of texts")
    return tuple(turns)


def _references(folder: Path) -> References:
    """Read the references by question, from the questions' folder or `reference_answer/` in it."""
    files = [*folder.glob("reference_answer_*.jsonl"), *folder.glob("reference_answer/*.jsonl")]
    return {
        _id(f"{file}:{number}", row): _turns(f"{file}:{number}: `choices`", _choice(row))
        for file in sorted(files)[:1]
        for number, row in read_numbered_rows(file)
    }


def _choice(row: Json) -> Any:
    """Return the first answer of a row of FastChat's answer files."""
    choices = row.get("choices")
    return choices[0] if isinstance(choices, list) and choices else None


def _prompts(folder: Path) -> dict[str, Json]:
    """Read the judge prompts; FastChat has them one folder above its data sets."""
    for file in (folder / PROMPTS, folder.parent / PROMPTS):
        if file.is_file():
            return {_name(f"{file}:{number}", row): row for number, row in read_numbered_rows(file)}
    return {}


def _name(location: str, row: Json) -> str:
    for key in ("name", "system_prompt", "prompt_template"):
        if not isinstance(row.get(key), str):
            raise UsageError(f"{location}: `{key}` is missing or no text; see FastChat's {PROMPTS}")
    return str(row["name"])
