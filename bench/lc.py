"""The time and the interval of length-controlled win rates: `python -m bench.lc FOLDER`.

FOLDER holds the recorded judgements and constants. A fit with its cross-validation should take
less than 0.5 s; its gap to the published rate is shown for models without missing rows. The
resamples keep the regularization strength that was chosen once; the last two columns compare the
sd with that of choosing it again in every resample.
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

from moagraph.evals.bootstrap import resample_counts
from moagraph.evals.length_control.constants import Constants, read_constants
from moagraph.evals.length_control.win_rate import MatchedPairs, fit_length_control, refit_resamples

TARGET = 0.5
INTERVAL_MODELS = ("FuseChat-Gemma-2-9B-Instruct", "claude-2", "alpaca-7b")
RECHOSEN = 100


def read_judgements(folder: Path, constants: Constants) -> dict[str, MatchedPairs]:
    """Read the recorded judgements by model."""
    rows_by_model: dict[str, list[tuple[int, int, float]]] = {}
    with gzip.open(folder / "judgements_32_models.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            values = int(row["index"]), int(row["len_model"]), float(row["preference"])
            rows_by_model.setdefault(row["model"], []).append(values)
    samples = {}
    for model, rows in rows_by_model.items():
        index, length, preference = (np.array(column) for column in zip(*rows, strict=True))
        target = np.where(preference == 0, 1.5, preference) - 1
        samples[model] = MatchedPairs(index, target, constants.lengths[index] - length)
    return samples


def rows(folder: Path) -> Iterator[str]:
    """Return the rows of both tables."""
    constants = read_constants(folder / "lc_constants.json.gz")
    with gzip.open(folder / "lc_constants.json.gz") as file:
        leaderboard = json.load(file)["leaderboard"]
    took, gaps = [], []
    samples = read_judgements(folder, constants)
    for model, sample in samples.items():
        began = time.perf_counter()
        fitted = fit_length_control(sample, constants)
        took.append(time.perf_counter() - began)
        if fitted and len(sample.target) == len(constants.lengths):
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
    for model in INTERVAL_MODELS:
        yield _interval_row(model, samples[model], constants)


def _interval_row(model: str, sample: MatchedPairs, constants: Constants) -> str:
    fitted = fit_length_control(sample, constants)
    assert fitted
    counts = resample_counts(len(sample.target))
    began = time.perf_counter()
    rates = refit_resamples(sample, constants, counts, fitted.strength)
    took = time.perf_counter() - began
    rechosen = [_refit(sample, constants, row) for row in counts[:RECHOSEN]]
    return (
        f"| {model} | {fitted.win_rate:.2f} | {rates.std():.2f} | {took:.1f} "
        f"| {np.std(rechosen):.2f} | {rates[:RECHOSEN].std():.2f} |"
    )


def _refit(sample: MatchedPairs, constants: Constants, counts: np.ndarray) -> float:
    indices = np.arange(len(counts)).repeat(counts.astype(int))
    fitted = fit_length_control(sample.subset(indices), constants)
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
