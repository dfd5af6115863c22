"""How long a length-controlled win rate takes, and how wide it is: `python -m bench.lc FOLDER`.

FOLDER holds the recorded judgements and constants. A fit with its cross validation should take
less than 0.5 s; its gap to the published rate is shown for models without missing rows. The
interval's fits keep the strength that was chosen once; the last two columns say what choosing it
anew in every resample would make of it.
"""

import argparse
import csv
import gzip
import json
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moagraph.evals.bootstrap import resamples
from moagraph.evals.length_control.constants import Constants, read_constants
from moagraph.evals.length_control.win_rate import Judged, length_controlled, refitted

TARGET = 0.5
WIDE = ("FuseChat-Gemma-2-9B-Instruct", "claude-2", "alpaca-7b")
ANEW = 100


def judged(folder: Path, known: Constants) -> dict[str, Judged]:
    """The recorded judgements, by model."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    with gzip.open(folder / "judgements_32_models.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            one = int(row["index"]), int(row["len_model"]), float(row["preference"])
            found.setdefault(row["model"], []).append(one)
    samples = {}
    for model, rows in found.items():
        place, length, said = (np.array(column) for column in zip(*rows, strict=True))
        target = np.where(said == 0, 1.5, said) - 1
        samples[model] = Judged(place, target, known.lengths[place] - length)
    return samples


def rows(folder: Path) -> Iterator[str]:
    """Both tables."""
    known = read_constants(folder / "lc_constants.json.gz")
    with gzip.open(folder / "lc_constants.json.gz") as file:
        leaderboard = json.load(file)["leaderboard"]
    took, gaps = [], []
    samples = judged(folder, known)
    for model, sample in samples.items():
        began = time.perf_counter()
        fitted = length_controlled(sample, known)
        took.append(time.perf_counter() - began)
        if fitted and len(sample.target) == len(known.lengths):
            gaps.append(abs(fitted.win_rate - leaderboard[model]["lc"]))
    yield "| fits | median s | slowest s | at most | models | largest gap | median gap |"
    yield "|---|---|---|---|---|---|---|"
    yield (
        f"| {len(took)} | {statistics.median(took):.3f} | {max(took):.3f} | {TARGET} "
        f"| {len(gaps)} | {max(gaps):.3f} | {statistics.median(gaps):.4f} |"
    )
    yield ""
    yield "| model | LC | sd, 1000 resamples | s | sd, strength anew (100) | sd, the same 100 |"
    yield "|---|---|---|---|---|---|"
    for model in WIDE:
        yield _width(model, samples[model], known)


def _width(model: str, sample: Judged, known: Constants) -> str:
    fitted = length_controlled(sample, known)
    assert fitted
    counts = resamples(len(sample.target))
    began = time.perf_counter()
    drawn = refitted(sample, known, counts, fitted.strength)
    took = time.perf_counter() - began
    anew = [_anew(sample, known, each) for each in counts[:ANEW]]
    return (
        f"| {model} | {fitted.win_rate:.2f} | {drawn.std():.2f} | {took:.1f} "
        f"| {np.std(anew):.2f} | {drawn[:ANEW].std():.2f} |"
    )


def _anew(sample: Judged, known: Constants, counts: np.ndarray) -> float:
    again = np.arange(len(counts)).repeat(counts.astype(int))
    fitted = length_controlled(sample.of(again), known)
    assert fitted
    return fitted.win_rate


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}\n")
    for row in rows(folder):
        print(row)


if __name__ == "__main__":
    main()
