"""Preferences that were judged before: a replay file's, or `alpaca_eval`'s annotations.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.evals.sets.reading import text_of
from nodes.errors import UsageError
from nodes.state import Json

DRAW = 1.5


@dataclass(frozen=True)
class Recorded:
    """Looks a preference up by model and by the instruction's exact text."""

    name: str
    known: dict[tuple[str, str], float | None]
    method: str = "recorded"
    compares: bool = False
    recipe: Json | None = None

    def trials(self, case: Case) -> Sequence[Trial]:
        """One for each first turn that was judged."""
        found = (_model(case.system), case.questions[-1])
        if case.turn > 1 or found not in self.known:
            return []
        return [Trial(case, {"preference": self.known[found], "question": found[1]})]

    async def rule(self, trial: Trial) -> Ruling:
        """Look it up."""
        liked = trial.said["preference"]
        text = "" if liked is not None else "the record holds no number"
        return Ruling([Verdict(liked, parsed=liked is not None)], text)


def recorded(name: str, path: str) -> Recorded:
    """The judge of that file."""
    file = Path(path).expanduser()
    known: dict[tuple[str, str], float | None] = {}
    for row in _rows(file):
        for model, liked in _preferences(row):
            known.setdefault((model, str(row.get("instruction"))), liked)
    if not known:
        raise UsageError(
            f"{path!r} holds no preference: it takes a replay file, or the annotations.json "
            "of alpaca_eval"
        )
    return Recorded(name, known)


def _preferences(row: Json) -> list[tuple[str, float | None]]:
    said = row.get("preference")
    if isinstance(said, dict):
        return [(model, _between(liked, 0, 1)) for model, liked in said.items()]
    if "generator_2" in row and "preference" in row:
        return [(row["generator_2"], DRAW if said == 0 else _between(said, 1, 2))]
    return []


def _between(said: Any, least: int, most: int) -> float | None:
    """The preference from 1 to 2; a record may hold NaN or nothing."""
    if not isinstance(said, int | float) or not isfinite(said) or not least <= said <= most:
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


def _model(system: str) -> str:
    return system.removeprefix("recorded:").partition("@")[0]
