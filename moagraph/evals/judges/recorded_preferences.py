"""The `recorded` judge: preferences from a replay file or `alpaca_eval`'s annotations.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.evals.sets.reading import read_text
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

TIE = 1.5
# By model and instruction, then by baseline; None if the record names no baseline.
Preferences = dict[tuple[str, str], dict[str | None, float | None]]


@dataclass(frozen=True)
class RecordedPreferencesJudge:
    """Looks up a preference by the model, the baseline and the exact text of the instruction."""

    name: str
    preferences: Preferences
    method: str = "recorded"
    compares: bool = False
    recipe: Json | None = None

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return a trial for a first turn with a recorded preference over the run's baseline."""
        question = case.questions[-1]
        by_baseline = self.preferences.get((_bare_name(case.system), question), {})
        baseline = _recorded_baseline(case, by_baseline)
        if case.turn > 1 or baseline not in by_baseline:
            return []
        inputs = {
            "preference": by_baseline[baseline],
            "question": question,
            "baseline": case.baseline,
        }
        return [Trial(case, inputs)]

    async def rule(self, trial: Trial) -> Ruling:
        """Return the recorded preference."""
        preference = trial.inputs["preference"]
        text = "" if preference is not None else "the record holds no number"
        return Ruling([JudgeVerdict(preference, parsed=preference is not None)], text)


def load_recorded_preferences(name: str, path: str) -> RecordedPreferencesJudge:
    """Read the file's preferences; of two for the same pair the first counts.

    Args:
        name: The judge's name, as the user wrote it.
        path: A replay file or an annotations.json, gzipped or not.
    """
    preferences: Preferences = {}
    for row in _read_rows(Path(path).expanduser()):
        generator = row.get("generator_1")
        baseline = None if generator is None else _bare_name(str(generator))
        for model, preference in _row_preferences(path, row):
            key = (_bare_name(model), str(row.get("instruction")))
            preferences.setdefault(key, {}).setdefault(baseline, preference)
    if not preferences:
        raise UsageError(
            f"{path!r} has no preferences: give a replay file, or the annotations.json "
            "of alpaca_eval"
        )
    return RecordedPreferencesJudge(name, preferences)


def _row_preferences(path: str, row: Json) -> list[tuple[str, float | None]]:
    value = row.get("preference")
    if isinstance(value, dict):
        return [(model, _scaled(number, 0, 1)) for model, number in value.items()]
    if "generator_2" in row and "preference" in row:
        model = row["generator_2"]
        if not isinstance(model, str):
            raise UsageError(f"{path!r}: `generator_2` {model!r} must be a string: a model's name")
        return [(model, TIE if value == 0 else _scaled(value, 1, 2))]
    return []


def _scaled(value: Any, lowest: int, highest: int) -> float | None:
    """Scale a preference to 1 to 2; None for NaN and anything else that is out of range."""
    if not isinstance(value, int | float) or not lowest <= value <= highest:
        return None
    return float(value) + (1 - lowest)


def _read_rows(file: Path) -> list[Json]:
    text = read_text(file)
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except ValueError as error:
        raise UsageError(f"{str(file)!r} is not JSON: {error}") from error
    return [row for row in rows if isinstance(row, dict)]


def _recorded_baseline(
    case: JudgeCase, by_baseline: Mapping[str | None, float | None]
) -> str | None:
    """Return the run's baseline if it was recorded; without a baseline, the only recorded one."""
    if case.baseline is None:
        return next(iter(by_baseline)) if len(by_baseline) == 1 else None
    name = _bare_name(case.baseline)
    return name if name in by_baseline else None


def _bare_name(name: str) -> str:
    """Strip the file from a recorded model's name, and the folder from a recipe's."""
    if name.startswith("recorded:"):
        return name.removeprefix("recorded:").partition("@")[0]
    return Path(name).stem if name.endswith(".toml") else name
