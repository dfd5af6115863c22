"""Preferences that were judged before: a replay file's, or `alpaca_eval`'s annotations.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.evals.sets.reading import text_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

DRAW = 1.5
# By model and instruction, then by the baseline, where the record names one.
Known = dict[tuple[str, str], dict[str | None, float | None]]


@dataclass(frozen=True)
class Recorded:
    """Looks a preference up by model, baseline and the instruction's exact text."""

    name: str
    known: Known
    method: str = "recorded"
    compares: bool = False
    recipe: Json | None = None

    def trials(self, case: Case) -> Sequence[Trial]:
        """One for each first turn that was judged against the run's baseline."""
        question = case.questions[-1]
        liked = self.known.get((_bare(case.system), question), {})
        against = _baseline(case, liked)
        if case.turn > 1 or against not in liked:
            return []
        said = {"preference": liked[against], "question": question, "baseline": case.baseline}
        return [Trial(case, said)]

    async def rule(self, trial: Trial) -> Ruling:
        """Look it up."""
        liked = trial.said["preference"]
        text = "" if liked is not None else "the record holds no number"
        return Ruling([Verdict(liked, parsed=liked is not None)], text)


def recorded(name: str, path: str) -> Recorded:
    """The judge of that file."""
    file = Path(path).expanduser()
    known: Known = {}
    for row in _rows(file):
        named = row.get("generator_1")
        against = None if named is None else _bare(str(named))
        for model, liked in _preferences(path, row):
            of = known.setdefault((_bare(model), str(row.get("instruction"))), {})
            of.setdefault(against, liked)
    if not known:
        raise UsageError(
            f"{path!r} holds no preference: it takes a replay file, or the annotations.json "
            "of alpaca_eval"
        )
    return Recorded(name, known)


def _preferences(path: str, row: Json) -> list[tuple[str, float | None]]:
    said = row.get("preference")
    if isinstance(said, dict):
        return [(model, _between(liked, 0, 1)) for model, liked in said.items()]
    if "generator_2" in row and "preference" in row:
        model = row["generator_2"]
        if not isinstance(model, str):
            raise UsageError(f"{path!r}: `generator_2` {model!r} is no text: it names the model")
        return [(model, DRAW if said == 0 else _between(said, 1, 2))]
    return []


def _between(said: Any, least: int, most: int) -> float | None:
    """The preference from 1 to 2; a record may hold NaN or nothing."""
    if not isinstance(said, int | float) or not least <= said <= most:
        return None
    return float(said) + (1 - least)


def _rows(file: Path) -> list[Json]:
    text = text_of(file)
    try:
        whole = text.lstrip().startswith("[")
        rows = json.loads(text) if whole else [json.loads(x) for x in text.split("\n") if x.strip()]
    except ValueError as error:
        raise UsageError(f"{str(file)!r} is not JSON: {error}") from error
    return [row for row in rows if isinstance(row, dict)]


def _baseline(case: Case, liked: Mapping[str | None, float | None]) -> str | None:
    """Which of the recorded baselines is meant: the run's, else the only one."""
    if case.baseline is None:
        return next(iter(liked)) if len(liked) == 1 else None
    named = _bare(case.baseline)
    return named if named in liked else None


def _bare(name: str) -> str:
    """The model's own name: a recorded one's without its file, a recipe's without its folder."""
    if name.startswith("recorded:"):
        return name.removeprefix("recorded:").partition("@")[0]
    return Path(name).stem if name.endswith(".toml") else name
