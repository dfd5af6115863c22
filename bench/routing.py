"""What gates and routers buy on recorded preferences: `python -m bench.routing FILE`.

FILE is the recorded replay (805 instructions, answers and GPT-4's preferences for each). A cheap
model answers, and a share of the questions goes to the best one: those that a signal picks. Each
column is a signal, each row a share; a signal is worth something where it beats `chance`, the same
share by lot. Cost is the characters written times the model's size in billions of parameters (1
where it is not known), relative to always asking the best; a gate by agreement pays for the second
cheap answer, a router for nothing beside the answer.
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
READ = 1500  # characters of an answer that are compared: the rest is slow and says no more
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Who answers first, who is asked beside it to see whether they agree, and who is best."""

    cheap: str
    second: str
    best: str
    sizes: tuple[float, float, float]


SETTINGS = [
    Setting(
        "FuseChat-Llama-3.2-3B-Instruct",
        "FuseChat-Qwen-2.5-7B-Instruct",
        "FuseChat-Gemma-2-9B-Instruct",
        (3, 7, 9),
    ),
    Setting("gpt-3.5-turbo-1106", "claude-2", "FuseChat-Gemma-2-9B-Instruct", (1, 1, 1)),
]


def signals(setting: Setting, said: Sequence[Mapping[str, Any]]) -> dict[str, Numbers]:
    """For each signal how much each question asks to go on; the highest go first."""
    cheap = [one["outputs"][setting.cheap] for one in said]
    second = [one["outputs"][setting.second] for one in said]
    asked = [one["instruction"] for one in said]
    won = _won(setting, said)
    told = {
        "agreement": [
            -similarity(a[:READ].casefold(), b[:READ].casefold())
            for a, b in zip(cheap, second, strict=True)
        ],
        "learned": _learned(asked, *won),
        "long question": [float(len(text)) for text in asked],
        "short answer": [-float(len(text)) for text in cheap],
        "difficulty": [float(one["difficulty"]) for one in said],
        "oracle": list(won[1] - won[0]),
    }
    return {name: np.array(values) for name, values in told.items()}


def _won(setting: Setting, said: Sequence[Mapping[str, Any]]) -> tuple[Numbers, Numbers]:
    both = [[one["preference"][m] for one in said] for m in (setting.cheap, setting.best)]
    return np.array(both[0]), np.array(both[1])


def _learned(asked: Sequence[str], cheap: Numbers, best: Numbers) -> list[float]:
    """How much better the best is expected to be, as learned from the other questions."""
    seen = [features(text) for text in asked]
    order = np.random.default_rng(SEED).permutation(len(asked))
    gain = np.zeros(len(asked))
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS].tolist())
        kept = [n for n in range(len(asked)) if n not in held]
        rows = [(seen[n], "cheap", float(cheap[n])) for n in kept]
        rows += [(seen[n], "best", float(best[n])) for n in kept]
        router = fitted(["cheap", "best"], rows)
        for n in held:
            guesses = router.guesses(asked[n])
            gain[n] = guesses["best"] - guesses["cheap"]
    return gain.tolist()


def curve(signal: Numbers, cheap: Numbers, best: Numbers) -> Numbers:
    """The win rate at each whole per cent of questions that go on."""
    order = np.argsort(-signal, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((best - cheap)[order])])
    at = np.rint(np.linspace(0, len(cheap), 101)).astype(int)
    return np.asarray(100 * (cheap.sum() + gains[at]) / len(cheap))


def over_chance(signal: Numbers, cheap: Numbers, best: Numbers) -> float:
    """How much higher the curve lies than that of chance, on average over all shares."""
    found = curve(signal, cheap, best)
    return float(np.mean(found - np.linspace(found[0], found[-1], 101)))


def interval(signal: Numbers, cheap: Numbers, best: Numbers) -> tuple[float, float]:
    """The middle 95 % over resampled questions."""
    chance = np.random.default_rng(SEED)
    drawn = [chance.integers(0, len(cheap), len(cheap)) for _ in range(RESAMPLES)]
    values = [over_chance(signal[n], cheap[n], best[n]) for n in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def costs(
    setting: Setting, said: Sequence[Mapping[str, Any]], signal: Numbers, gate: bool
) -> Numbers:
    """What each per cent costs, relative to always asking the best."""
    models = (setting.cheap, setting.second, setting.best)
    cheap, second, best = (
        size * np.array([len(one["outputs"][model]) for one in said], dtype=float)
        for model, size in zip(models, setting.sizes, strict=True)
    )
    order = np.argsort(-signal, kind="stable")
    first = cheap + second if gate else cheap
    change = best if gate else best - cheap
    at = np.rint(np.linspace(0, len(said), 101)).astype(int)
    grown = np.concatenate([[0.0], np.cumsum(change[order])])[at]
    return np.asarray((first.sum() + grown) / best.sum())


def rows(setting: Setting, said: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One setting's tables."""
    cheap, best = _won(setting, said)
    found = signals(setting, said)
    curves = {name: curve(signal, cheap, best) for name, signal in found.items()}
    line = np.linspace(curves["oracle"][0], curves["oracle"][-1], 101)
    yield f"First {setting.cheap}, then {setting.best}; {len(said)} instructions, win rate in %."
    yield ""
    yield f"| goes on | chance | {' | '.join(found)} | cost, agreement | cost, learned |"
    yield "|---" * (len(found) + 4) + "|"
    gate = costs(setting, said, found["agreement"], gate=True)
    free = costs(setting, said, found["learned"], gate=False)
    for share in SHARES:
        values = " | ".join(f"{curves[name][share]:.1f}" for name in found)
        cost = f"{gate[share]:.2f} | {free[share]:.2f}"
        yield f"| {share} % | {line[share]:.1f} | {values} | {cost} |"
    yield ""
    yield "| signal | points over chance, mean of all shares | 95 % interval |"
    yield "|---|---|---|"
    for name, signal in found.items():
        low, high = interval(signal, cheap, best)
        yield f"| {name} | {over_chance(signal, cheap, best):+.2f} | {low:+.2f} … {high:+.2f} |"


def read(file: Path) -> list[dict[str, Any]]:
    """The recorded instructions, answers and preferences."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    """Print the tables of every setting."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("file", type=Path, metavar="FILE")
    said = read(told.parse_args().file)
    for setting in SETTINGS:
        print("\n".join(rows(setting, said)), end="\n\n")


if __name__ == "__main__":
    main()
