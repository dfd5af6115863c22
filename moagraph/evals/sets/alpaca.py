"""AlpacaEval 2.0: its instructions, from `alpaca_eval.json` or a replay of recorded answers."""

from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.sets.prompts import load as prompts_of
from moagraph.nodes.state import Json

MAX_TOKENS = 2048  # as the paper ran it


def looks_like(row: Json) -> bool:
    """An instruction with somebody's output, or with those of several models."""
    recorded = isinstance(row.get("outputs"), dict)
    return "instruction" in row and (recorded or {"output", "generator"} <= row.keys())


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """The instructions alone; an output is the baseline's and no reference."""
    asked = [
        (number, {key: row[key] for key in row if key in ("instruction", "index")})
        for number, row in rows
    ]
    items = prompts_of(file, asked).items
    categories = [row.get("dataset") for _, row in rows]
    said = zip(items, categories, rows, strict=True)
    return DataSet(
        "alpaca_eval",
        tuple(Item(i.id, i.turns, category=category, row=row) for i, category, (_, row) in said),
        str(file),
        max_tokens=MAX_TOKENS,
    )
