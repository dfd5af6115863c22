"""Download AlpacaEval 2.0's published constants: one revision, checked by its hashes."""

import csv
import hashlib
import io
import json
import math
import os
from pathlib import Path

import httpx
import numpy as np

from moagraph.evals.length_control.constants import Constants, build_constants
from moagraph.evals.length_control.pairs import hash_instruction
from moagraph.nodes.errors import RunError
from moagraph.nodes.storage.data_dir import data_folder

HOST = "https://huggingface.co"
URL_PATH = "datasets/tatsu-lab/alpaca_eval/resolve/2edc6fad8be6b14ea7230aabfd08188da6b8b814"
BASELINE = "gpt4_1106_preview"
HASHES = {
    "df_gamed.csv": "97aeec3f1c7de6dee6fd31fe66f1702623f4614c3efe1c6fc5f4927cd5fd674d",
    "alpaca_eval_gpt4_baseline.json": (
        "83db546b872ddebee8965fd05fa48461ee3c32bc695c62fb57f2d214ff741ec4"
    ),
}


def fetch_constants() -> Constants:
    """Return the published constants; the regulariser has the judge's real preferences."""
    gamed, baseline = (_fetch(name).decode() for name in HASHES)
    rows = [row for row in csv.DictReader(io.StringIO(gamed)) if not _is_blank(row["preference"])]
    answers = json.loads(baseline)
    difficulty = {int(row["index"]): float(row["instruction_difficulty"]) for row in rows}
    return build_constants(
        BASELINE,
        np.array([len(answer["output"]) for answer in answers], dtype=np.float64),
        np.array([difficulty[index] for index in range(len(answers))]),
        np.array([float(row["std_delta_len"]) for row in rows]),
        np.array([float(row["instruction_difficulty"]) for row in rows]),
        np.array([float(row["preference"]) for row in rows]),
        tuple(hash_instruction(answer["instruction"]) for answer in answers),
        {},
    )


def _is_blank(cell: str) -> bool:
    return not cell or math.isnan(float(cell))


def _fetch(name: str) -> bytes:
    """Return a file's content, from the data folder if it was downloaded before."""
    file = data_folder() / "evals" / name
    if file.is_file() and _sha256(file.read_bytes()) == HASHES[name]:
        return file.read_bytes()
    url = f"{os.environ.get('HF_ENDPOINT', HOST).rstrip('/')}/{URL_PATH}/{name}"
    try:
        response = httpx.get(url, follow_redirects=True, timeout=30).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RunError(
            f"cannot fetch {url}: {str(error).splitlines()[0]}; give --constants FILE"
        ) from error
    if _sha256(response.content) != HASHES[name]:
        raise RunError(f"{url} does not have the expected SHA-256; nothing was stored")
    _write(file, response.content)
    return response.content


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
