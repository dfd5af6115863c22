"""The recorded data that lies beside the project; without it, its tests are skipped."""

import csv
import gzip
import io
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("MOA_SHARED_DATA") or BESIDE)


def recorded(name: str) -> Path:
    """A file of the recorded data."""
    if not (FOLDER / name).exists():
        pytest.skip(f"the recorded data is not here: no {name!r}; MOA_SHARED_DATA names its folder")
    return FOLDER / name


@cache
def constants_said() -> dict[str, Any]:
    """What the file of the LC constants says."""
    said: dict[str, Any] = json.loads(_text("lc_constants.json.gz"))
    return said


@cache
def judgements() -> dict[str, list[tuple[int, int, float]]]:
    """Of each model: instruction, length of its answer, preference."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    for row in csv.DictReader(io.StringIO(_text("judgements_32_models.csv.gz"))):
        said = int(row["index"]), int(row["len_model"]), float(row["preference"])
        found.setdefault(row["model"], []).append(said)
    return found


@cache
def replay() -> list[dict[str, Any]]:
    """The 805 instructions with the answers of 18 systems."""
    return [json.loads(line) for line in _text("alpaca_replay_805.jsonl.gz").splitlines()]


def annotations(model: str) -> list[dict[str, Any]]:
    """The model's judgements as `alpaca_eval` stores them."""
    said = {place: preference for place, _, preference in judgements()[model]}
    return [
        {
            "instruction": row["instruction"],
            "output_1": row["outputs"]["gpt4_1106_preview"],
            "generator_1": "gpt4_1106_preview",
            "dataset": row["dataset"],
            "output_2": row["outputs"][model],
            "generator_2": model,
            "annotator": "weighted_alpaca_eval_gpt4_turbo",
            "preference": said[row["index"]],
        }
        for row in replay()
    ]


def _text(name: str) -> str:
    return gzip.decompress(recorded(name).read_bytes()).decode()
