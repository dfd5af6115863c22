"""MT-Bench in FastChat's layout: questions of two turns, reference answers, judge prompts."""

from pathlib import Path
from typing import Any

from moagraph.evals.dataset import DataSet, Id, Item
from moagraph.evals.sets.prompts import temperature
from moagraph.evals.sets.reading import rows_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

QUESTIONS = "question.jsonl"
PROMPTS = "judge_prompts.jsonl"
MAX_TOKENS = 1024
# FastChat's `temperature_config`; a category that it does not know is asked at 0.7.
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
OTHER = 0.7
References = dict[Id, tuple[str, ...]]


def looks_like(row: Json) -> bool:
    """A question with its turns."""
    return {"question_id", "turns"} <= row.keys()


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """The questions, each at its category's temperature, with what lies beside them."""
    references = _references(file.parent)
    items = [_item(file, number, row, references) for number, row in rows]
    return DataSet("mt_bench", tuple(items), str(file), MAX_TOKENS, _prompts(file.parent))


def _item(file: Path, number: int, row: Json, references: References) -> Item:
    where = f"{file}:{number}"
    category = str(row.get("category", "")) or None
    usual = TEMPERATURES.get(category or "", OTHER)
    key, id_ = "required_temperature", _id(where, row)
    return Item(
        id=id_,
        turns=_turns(where, row),
        category=category,
        temperature=temperature(where, row.get(key, usual), key),
        references=references.get(id_, ()),
        row=row,
    )


def _id(where: str, row: Json) -> Id:
    id_ = row.get("question_id")
    if not isinstance(id_, int | str):
        raise UsageError(f"{where}: `question_id` is a number or a text")
    return id_


def _turns(where: str, said: Any) -> tuple[str, ...]:
    turns = said.get("turns") if isinstance(said, dict) else None
    if not isinstance(turns, list) or not turns or not all(isinstance(t, str) for t in turns):
        raise UsageError(f"{where}: `turns` is a list of texts")
    return tuple(turns)


def _references(folder: Path) -> References:
    """By question; they lie beside the questions, or in FastChat's folder of their own."""
    files = [*folder.glob("reference_answer_*.jsonl"), *folder.glob("reference_answer/*.jsonl")]
    return {
        _id(f"{file}:{number}", row): _turns(f"{file}:{number}: `choices`", _choice(row))
        for file in sorted(files)[:1]
        for number, row in rows_of(file)
    }


def _choice(row: Json) -> Any:
    """The first answer of a row, as FastChat keeps them."""
    choices = row.get("choices")
    return choices[0] if isinstance(choices, list) and choices else None


def _prompts(folder: Path) -> dict[str, Json]:
    """FastChat keeps them a floor above its data sets."""
    for file in (folder / PROMPTS, folder.parent / PROMPTS):
        if file.is_file():
            return {_name(f"{file}:{number}", row): row for number, row in rows_of(file)}
    return {}


def _name(where: str, row: Json) -> str:
    for key in ("name", "system_prompt", "prompt_template"):
        if not isinstance(row.get(key), str):
            raise UsageError(f"{where}: `{key}` is missing or no text; see FastChat's {PROMPTS}")
    return str(row["name"])
