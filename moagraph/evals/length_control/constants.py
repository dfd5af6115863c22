"""What the length-controlled win rate is defined by, read from a file: baseline and regulariser."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from moagraph.evals.json_files import read_json
from moagraph.evals.length_control.logistic import Array
from moagraph.evals.length_control.pairs import mark
from moagraph.nodes.errors import UsageError

JUDGE = "weighted_alpaca_eval_gpt4_turbo"
NEEDED = {
    "baseline": str,
    "len_base": list,
    "instruction_difficulty": list,
    "gamed_std_delta_len": list,
    "gamed_preference_standin": list,
}


@dataclass(frozen=True)
class Constants:
    """One baseline over one set of instructions, and the two gamed systems that steady the fit."""

    baseline: str
    lengths: Array  # of the baseline's answers, in characters
    difficulty: Array
    regulariser: Array  # rows of tanh(z), difficulty and 0
    regulariser_target: Array
    marks: tuple[str, ...]  # a mark of each instruction's text, in the same order
    weights: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    judge: str = JUDGE


def read_constants(file: Path) -> Constants:
    """The constants in a JSON file, gzipped or not."""
    said = read_json(file, "constants")
    if not isinstance(said, dict):
        raise UsageError(f"{file}: no JSON object; these are not the constants of an LC fit")
    for key, kind in NEEDED.items():
        if not isinstance(said.get(key), kind):
            raise UsageError(
                f"{file}: `{key}` is missing; these are not the constants of an LC fit"
            )
    numbers = {key: _numbers(file, key, said[key]) for key, kind in NEEDED.items() if kind is list}
    size = len(numbers["len_base"])
    if len(numbers["instruction_difficulty"]) != size or not size:
        raise UsageError(f"{file}: `len_base` and `instruction_difficulty` differ in length")
    lengths = numbers["gamed_std_delta_len"], numbers["gamed_preference_standin"]
    if len(lengths[0]) != len(lengths[1]) or len(lengths[0]) % size:
        raise UsageError(
            f"{file}: the regulariser's rows are not whole sets of {size} instructions"
        )
    return constants(
        said["baseline"],
        numbers["len_base"],
        numbers["instruction_difficulty"],
        lengths[0],
        np.tile(numbers["instruction_difficulty"], len(lengths[0]) // size),
        lengths[1],
        tuple(map(mark, _texts(file, said.get("instructions", [])))) or shipped_marks(),
        _weights(file, said.get("glm_weights", {})),
    )


def constants(
    baseline: str,
    lengths: Array,
    difficulty: Array,
    gamed_lengths: Array,
    gamed_difficulty: Array,
    gamed_target: Array,
    marks: tuple[str, ...],
    weights: Mapping[str, Any],
) -> Constants:
    """The same, put together."""
    rows = [np.tanh(gamed_lengths), gamed_difficulty, np.zeros(len(gamed_lengths))]
    kept = {name: (float(a), float(b), float(c)) for name, (a, b, c) in weights.items()}
    return Constants(
        baseline, lengths, difficulty, np.column_stack(rows), gamed_target, marks, kept
    )


def shipped_marks() -> tuple[str, ...]:
    """The marks of AlpacaEval 2.0's 805 instructions: hashes, so that no text has to ship."""
    return tuple(files(__package__).joinpath("alpaca_marks.txt").read_text("ascii").split())


def _numbers(file: Path, key: str, said: list[Any]) -> Array:
    if not all(map(_is_number, said)):
        raise UsageError(f"{file}: `{key}` holds something that is no number")
    return np.array(said, dtype=np.float64)


def _is_number(said: object) -> bool:
    return isinstance(said, int | float) and abs(said) <= sys.float_info.max


def _texts(file: Path, said: Any) -> list[str]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise UsageError(f"{file}: `instructions` are a list of texts")
    return said


def _weights(file: Path, said: Any) -> dict[str, Any]:
    each = list(said.values()) if isinstance(said, dict) else [None]
    if not all(isinstance(w, list) and len(w) == 3 and all(map(_is_number, w)) for w in each):
        raise UsageError(f"{file}: `glm_weights` are three numbers by each model's name")
    return dict(said)
