"""MT-Bench in FastChat's layout: questions of two turns, reference answers, judge prompts."""

from pathlib import Path

from moagraph.evals.item import DataSet, Item
from moagraph.evals.sets.reading import rows_of
from nodes.errors import UsageError
from nodes.state import Json

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


def looks_like(row: Json) -> bool:
    """A question with its turns."""
    return {"question_id", "turns"} <= row.keys()


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """The questions, each at its category's temperature, with what lies beside them."""
    references = _references(file.parent)
    items = [_item(file, number, row, references) for number, row in rows]
    return DataSet("mt_bench", tuple(items), str(file), MAX_TOKENS, _prompts(file.parent))


def _item(file: Path, number: int, row: Json, references: dict[int, tuple[str, ...]]) -> Item:
    turns = row["turns"]
    if not isinstance(turns, list) or not turns or not all(isinstance(t, str) for t in turns):
        raise UsageError(f"{file}:{number}: `turns` is a list of texts")
    category = str(row.get("category", "")) or None
    usual = TEMPERATURES.get(category or "", OTHER)
    return Item(
        id=row["question_id"],
        turns=tuple(turns),
        category=category,
        temperature=row.get("required_temperature", usual),
        references=references.get(row["question_id"], ()),
        row=row,
    )


def _references(folder: Path) -> dict[int, tuple[str, ...]]:
    """By question; they lie beside the questions, or in FastChat's folder of their own."""
    files = [*folder.glob("reference_answer_*.jsonl"), *folder.glob("reference_answer/*.jsonl")]
    return {
        row["question_id"]: tuple(row["choices"][0]["turns"])
        for file in sorted(files)[:1]
        for _, row in rows_of(file)
    }


def _prompts(folder: Path) -> dict[str, Json]:
    """FastChat keeps them a floor above its data sets."""
    for file in (folder / PROMPTS, folder.parent / PROMPTS):
        if file.is_file():
            return {row["name"]: row for _, row in rows_of(file)}
    return {}
