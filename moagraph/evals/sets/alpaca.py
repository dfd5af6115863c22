"""AlpacaEval 2.0's instructions, from `alpaca_eval.json` or from a file of recorded answers."""

from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.sets.prompts import load as load_prompts
from moagraph.nodes.state import Json

MAX_TOKENS = 2048  # the paper's setting


def has_format(row: Json) -> bool:
    """Return whether the row is an instruction with the output of one model, or of several."""
    recorded = isinstance(row.get("outputs"), dict)
    return "instruction" in row and (recorded or {"output", "generator"} <= row.keys())


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """Load the instructions; an output is the baseline's answer and no reference.

    Args:
        file: The file, for error messages.
        rows: Its rows, each with its line number.
    """
    instructions = [
        (number, {key: row[key] for key in row if key in ("instruction", "index")})
        for number, row in rows
    ]
    items = tuple(
        Item(item.id, item.turns, category=row.get("dataset"), row=row)
        for item, (_, row) in zip(load_prompts(file, instructions).items, rows, strict=True)
    )
    return DataSet("alpaca_eval", items, str(file), max_tokens=MAX_TOKENS)
