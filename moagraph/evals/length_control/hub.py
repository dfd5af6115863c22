"""The published constants of AlpacaEval 2.0, fetched from their hub: one revision, checked."""

import csv
import hashlib
import io
import json
import math
import os
from pathlib import Path

import httpx
import numpy as np

from moagraph.evals.length_control.constants import Constants, constants
from moagraph.evals.length_control.pairs import mark
from moagraph.nodes.errors import RunError
from moagraph.nodes.storage.data_dir import data_folder

HOST = "https://huggingface.co"
PLACE = "datasets/tatsu-lab/alpaca_eval/resolve/2edc6fad8be6b14ea7230aabfd08188da6b8b814"
BASELINE = "gpt4_1106_preview"
HASHES = {
    "df_gamed.csv": "97aeec3f1c7de6dee6fd31fe66f1702623f4614c3efe1c6fc5f4927cd5fd674d",
    "alpaca_eval_gpt4_baseline.json": (
        "83db546b872ddebee8965fd05fa48461ee3c32bc695c62fb57f2d214ff741ec4"
    ),
}


def fetch_constants() -> Constants:
    """The constants as the hub has them, with the regulariser's real judgements."""
    gamed, baseline = (_fetched(name).decode() for name in HASHES)
    rows = [row for row in csv.DictReader(io.StringIO(gamed)) if not _blank(row["preference"])]
    answers = json.loads(baseline)
    difficulty = {int(row["index"]): float(row["instruction_difficulty"]) for row in rows}
    own = [float(row["instruction_difficulty"]) for row in rows]
    return constants(
        BASELINE,
        np.array([len(answer["output"]) for answer in answers], dtype=np.float64),
        np.array([difficulty[place] for place in range(len(answers))]),
        np.array([float(row["std_delta_len"]) for row in rows]),
        np.array(own),
        np.array([float(row["preference"]) for row in rows]),
        tuple(mark(answer["instruction"]) for answer in answers),
        {},
    )


def _blank(said: str) -> bool:
    return not said or math.isnan(float(said))


def _fetched(name: str) -> bytes:
    """The file, from the data folder if it was fetched before."""
    kept = data_folder() / "evals" / name
    if kept.is_file() and _hash(kept.read_bytes()) == HASHES[name]:
        return kept.read_bytes()
    url = f"{os.environ.get('HF_ENDPOINT', HOST).rstrip('/')}/{PLACE}/{name}"
    try:
        reply = httpx.get(url, follow_redirects=True, timeout=30).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RunError(
            f"cannot fetch {url}: {str(error).splitlines()[0]}; give --constants FILE"
        ) from error
    if _hash(reply.content) != HASHES[name]:
        raise RunError(f"{url} is not the file that is known by its SHA-256; nothing was kept")
    _keep(kept, reply.content)
    return reply.content


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
