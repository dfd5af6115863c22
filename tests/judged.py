"""A small made-up benchmark: instructions, its constants, and a model that was judged on it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 60
BASELINE = "gpt4_1106_preview"
JUDGE = "weighted_alpaca_eval_gpt4_turbo"
Rows = list[dict[str, Any]]


def constants_file(folder: Path) -> Path:
    """The constants of the made-up instructions."""
    dice = np.random.default_rng(1)
    difficulty = dice.normal(0, 1, SIZE)
    gamed = dice.normal(-0.5, 1, 2 * SIZE)
    said = {
        "baseline": BASELINE,
        "instructions": [f"Question {number}?" for number in range(SIZE)],
        "len_base": [100 + 10 * number for number in range(SIZE)],
        "instruction_difficulty": difficulty.tolist(),
        "gamed_std_delta_len": gamed.tolist(),
        "gamed_preference_standin": (1 / (1 + np.exp(gamed))).tolist(),
    }
    file = folder / "constants.json"
    file.write_text(json.dumps(said))
    return file


def rows(model: str = "mine", better: float = 0.5, seed: int = 2) -> Rows:
    """What a judge said who likes long answers a little."""
    dice = np.random.default_rng(seed)
    return [_row(number, model, better, dice) for number in range(SIZE)]


def _row(number: int, model: str, better: float, dice: np.random.Generator) -> dict[str, Any]:
    longer = int(dice.normal(0, 40))
    chance = 1 / (1 + math.exp(-(better + longer / 80 + dice.normal(0, 1))))
    return {
        "instruction": f"Question {number}?",
        "output_1": "b" * (100 + 10 * number),
        "generator_1": BASELINE,
        "dataset": "made-up",
        "output_2": "m" * (100 + 10 * number + longer),
        "generator_2": model,
        "annotator": JUDGE,
        "preference": 1 + chance,
    }


def turned(row: dict[str, Any]) -> dict[str, Any]:
    """The same row with the model first."""
    swap = {"output_1": "output_2", "generator_1": "generator_2"}
    swap |= {value: key for key, value in swap.items()}
    return {key: row[swap.get(key, key)] for key in row} | {"preference": 3 - row["preference"]}
