"""The constants of an LC fit, read from a file: baseline lengths, difficulty and regulariser."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from moagraph.evals.json_files import read_json
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.length_control.pairs import hash_instruction
from moagraph.nodes.errors import UsageError

JUDGE = "weighted_alpaca_eval_gpt4_turbo"
KEY_TYPES = {
    "baseline": str,
    "len_base": list,
    "instruction_difficulty": list,
    "gamed_std_delta_len": list,
    "gamed_preference_standin": list,
}


@dataclass(frozen=True)
class Constants:
    """One baseline on one set of instructions, and two gamed systems that regularise the fit."""

    baseline: str
    lengths: Array  # of the baseline's answers, in characters
    difficulty: Array
    regulariser: Array  # columns: tanh of the standardised length difference, difficulty, 0
    regulariser_target: Array
    instruction_hashes: tuple[str, ...]  # in the order of `lengths`
    weights: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    judge: str = JUDGE


def read_constants(file: Path) -> Constants:
    """Read the constants from a JSON file, gzipped or not."""
    content = read_json(file, "constants")
    if not isinstance(content, dict):
        raise UsageError(f"{file}: no JSON object; these are not the constants of an LC fit")
    for key, type_ in KEY_TYPES.items():
        if not isinstance(content.get(key), type_):
            raise UsageError(
                f"{file}: `{key}` is missing; these are not the constants of an LC fit"
            )
    list_keys = [key for key, type_ in KEY_TYPES.items() if type_ is list]
    numbers = {key: _parse_numbers(file, key, content[key]) for key in list_keys}
    size = len(numbers["len_base"])
    if len(numbers["instruction_difficulty"]) != size or not size:
        raise UsageError(f"{file}: `len_base` and `instruction_difficulty` differ in length")
    gamed_lengths, gamed_target = (
        numbers["gamed_std_delta_len"],
        numbers["gamed_preference_standin"],
    )
    if len(gamed_lengths) != len(gamed_target) or len(gamed_lengths) % size:
        raise UsageError(
            f"{file}: the regulariser's rows are not whole sets of {size} instructions"
        )
    instructions = _parse_texts(file, content.get("instructions", []))
    return build_constants(
        content["baseline"],
        numbers["len_base"],
        numbers["instruction_difficulty"],
        gamed_lengths,
        np.tile(numbers["instruction_difficulty"], len(gamed_lengths) // size),
        gamed_target,
        tuple(map(hash_instruction, instructions)) or alpaca_instruction_hashes(),
        _parse_weights(file, content.get("glm_weights", {})),
    )


def build_constants(
    baseline: str,
    lengths: Array,
    difficulty: Array,
    gamed_lengths: Array,
    gamed_difficulty: Array,
    gamed_target: Array,
    instruction_hashes: tuple[str, ...],
    weights: Mapping[str, Any],
) -> Constants:
    """Build the constants, with the regulariser's design matrix.

    Args:
        baseline: The baseline's name.
        lengths: The length of each answer of the baseline, in characters.
        difficulty: The difficulty of each instruction.
        gamed_lengths: The standardised length differences of the gamed systems.
        gamed_difficulty: The difficulty of their instructions.
        gamed_target: The judge's preference for them, from 0 to 1.
        instruction_hashes: The hash of each instruction.
        weights: The leaderboard's three weights by model.
    """
    columns = [np.tanh(gamed_lengths), gamed_difficulty, np.zeros(len(gamed_lengths))]
    return Constants(
        baseline,
        lengths,
        difficulty,
        np.column_stack(columns),
        gamed_target,
        instruction_hashes,
        {name: (float(a), float(b), float(c)) for name, (a, b, c) in weights.items()},
    )


def alpaca_instruction_hashes() -> tuple[str, ...]:
    """Return the hashes of AlpacaEval 2.0's 805 instructions; the texts are not shipped."""
    return tuple(files(__package__).joinpath("alpaca_marks.txt").read_text("ascii").split())


def _parse_numbers(file: Path, key: str, values: list[Any]) -> Array:
    if not all(map(_is_number, values)):
        raise UsageError(f"{file}: `{key}` holds something that is no number")
    return np.array(values, dtype=np.float64)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _parse_texts(file: Path, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise UsageError(f"{file}: `instructions` are a list of texts")
    return values


def _parse_weights(file: Path, weights: Any) -> dict[str, Any]:
    rows = list(weights.values()) if isinstance(weights, dict) else [None]
    if not all(isinstance(w, list) and len(w) == 3 and all(map(_is_number, w)) for w in rows):
        raise UsageError(f"{file}: `glm_weights` are three numbers by each model's name")
    return dict(weights)
