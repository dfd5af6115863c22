"""The benefit of gates and routers on recorded preferences: `python -m bench.routing FILE`.

FILE is the recorded replay (805 instructions, answers and GPT-4's preferences for each). A cheap
model answers, and a share of the questions, selected by a signal, goes to the best model. Each
column is a signal, each row a share; a signal is useful if it beats `chance`, the same share at
random. Cost is the number of characters times the model's size in billions of parameters (1 if
unknown), relative to always asking the best; a gate by agreement pays for the second cheap answer,
a router pays only for the answer.
"""

import argparse
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moagraph.nodes.step_support.learned_route import features, fitted
from moagraph.nodes.texts.similarity import similarity

SHARES = (0, 20, 40, 60, 80, 100)
FOLDS, RESAMPLES, SEED = 5, 1000, 0
COMPARED = 1500  # characters of an answer; more is slower and changes little
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CascadeConfig:
    """The cheap model, the second model for the agreement, the best model, and their sizes."""

    cheap: str
    second: str
    best: str
    sizes: tuple[float, float, float]


SETTINGS = [
    CascadeConfig(
        "FuseChat-Llama-3.2-3B-Instruct",
        "FuseChat-Qwen-2.5-7B-Instruct",
        "FuseChat-Gemma-2-9B-Instruct",
        (3, 7, 9),
    ),
    CascadeConfig("gpt-3.5-turbo-1106", "claude-2", "FuseChat-Gemma-2-9B-Instruct", (1, 1, 1)),
]


def signals(setting: CascadeConfig, records: Sequence[Mapping[str, Any]]) -> dict[str, Numbers]:
    """Return each signal's value for each question; high values go to the best model."""
    cheap = [row["outputs"][setting.cheap] for row in records]
    second = [row["outputs"][setting.second] for row in records]
    questions = [row["instruction"] for row in records]
    preferences = _preferences(setting, records)
    values_by_signal = {
        "agreement": [
            -similarity(a[:COMPARED].casefold(), b[:COMPARED].casefold())
            for a, b in zip(cheap, second, strict=True)
        ],
        "learned": _learned(questions, *preferences),
        "long question": [float(len(text)) for text in questions],
        "short answer": [-float(len(text)) for text in cheap],
        "difficulty": [float(row["difficulty"]) for row in records],
        "oracle": list(preferences[1] - preferences[0]),
    }
    return {name: np.array(values) for name, values in values_by_signal.items()}


def _preferences(
    setting: CascadeConfig, records: Sequence[Mapping[str, Any]]
) -> tuple[Numbers, Numbers]:
    both = [[row["preference"][m] for row in records] for m in (setting.cheap, setting.best)]
    return np.array(both[0]), np.array(both[1])


def _learned(questions: Sequence[str], cheap: Numbers, best: Numbers) -> list[float]:
    """Return the expected gain of the best model, fitted on the other questions."""
    seen = [features(text) for text in questions]
    order = np.random.default_rng(SEED).permutation(len(questions))
    gain = np.zeros(len(questions))
    for fold in range(FOLDS):
        test = set(order[fold::FOLDS].tolist())
        training = [n for n in range(len(questions)) if n not in test]
        rows = [(seen[n], "cheap", float(cheap[n])) for n in training]
        rows += [(seen[n], "best", float(best[n])) for n in training]
        router = fitted(["cheap", "best"], rows)
        for n in test:
            guesses = router.guesses(questions[n])
            gain[n] = guesses["best"] - guesses["cheap"]
    return gain.tolist()


def curve(signal: Numbers, cheap: Numbers, best: Numbers) -> Numbers:
    """Return the win rate at each whole per cent of questions that go to the best model."""
    order = np.argsort(-signal, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((best - cheap)[order])])
    at = np.rint(np.linspace(0, len(cheap), 101)).astype(int)
    return np.asarray(100 * (cheap.sum() + gains[at]) / len(cheap))


def over_chance(signal: Numbers, cheap: Numbers, best: Numbers) -> float:
    """Return the mean distance of the curve from that of chance, over all shares."""
    rates = curve(signal, cheap, best)
    return float(np.mean(rates - np.linspace(rates[0], rates[-1], 101)))


def interval(signal: Numbers, cheap: Numbers, best: Numbers) -> tuple[float, float]:
    """Return the 95 % interval over resampled questions."""
    generator = np.random.default_rng(SEED)
    drawn = [generator.integers(0, len(cheap), len(cheap)) for _ in range(RESAMPLES)]
    values = [over_chance(signal[n], cheap[n], best[n]) for n in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def costs(
    setting: CascadeConfig, records: Sequence[Mapping[str, Any]], signal: Numbers, gate: bool
) -> Numbers:
    """Return the cost at each per cent, relative to always asking the best model."""
    models = (setting.cheap, setting.second, setting.best)
    cheap, second, best = (
        size * np.array([len(row["outputs"][model]) for row in records], dtype=float)
        for model, size in zip(models, setting.sizes, strict=True)
    )
    order = np.argsort(-signal, kind="stable")
    first = cheap + second if gate else cheap
    change = best if gate else best - cheap
    at = np.rint(np.linspace(0, len(records), 101)).astype(int)
    grown = np.concatenate([[0.0], np.cumsum(change[order])])[at]
    return np.asarray((first.sum() + grown) / best.sum())


def rows(setting: CascadeConfig, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the rows of one setting's tables."""
    cheap, best = _preferences(setting, records)
    signal_values = signals(setting, records)
    curves = {name: curve(signal, cheap, best) for name, signal in signal_values.items()}
    line = np.linspace(curves["oracle"][0], curves["oracle"][-1], 101)
    yield f"First {setting.cheap}, then {setting.best}; {len(records)} instructions, win rate in %."
    yield ""
    yield f"| goes on | chance | {' | '.join(signal_values)} | cost, agreement | cost, learned |"
    yield "|---" * (len(signal_values) + 4) + "|"
    gate = costs(setting, records, signal_values["agreement"], gate=True)
    free = costs(setting, records, signal_values["learned"], gate=False)
    for share in SHARES:
        values = " | ".join(f"{curves[name][share]:.1f}" for name in signal_values)
        cost = f"{gate[share]:.2f} | {free[share]:.2f}"
        yield f"| {share} % | {line[share]:.1f} | {values} | {cost} |"
    yield ""
    yield "| signal | points over chance, mean of all shares | 95 % interval |"
    yield "|---|---|---|"
    for name, signal in signal_values.items():
        low, high = interval(signal, cheap, best)
        yield f"| {name} | {over_chance(signal, cheap, best):+.2f} | {low:+.2f} … {high:+.2f} |"


def read_records(file: Path) -> list[dict[str, Any]]:
    """Read the recorded instructions, answers and preferences."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    """Print the tables of every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE")
    records = read_records(parser.parse_args().file)
    for setting in SETTINGS:
        print("\n".join(rows(setting, records)), end="\n\n")


if __name__ == "__main__":
    main()
