"""Parse judged pairs of answers, in `alpaca_eval`'s row format: one model, one baseline."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as brief
from statistics import fmean
from typing import Any

from moagraph.nodes.errors import UsageError

Row = Mapping[str, Any]
ROUNDING = 1e-6  # how far a preference, a sum of probabilities, may be out of range
TEXT_KEYS = ("instruction", "output_1", "generator_1", "output_2", "generator_2")


@dataclass(frozen=True)
class Pair:
    """One instruction with the model's and the baseline's answers, and the judge's preference."""

    instruction: str
    target: float | None  # from 0, the baseline wins, to 1, the model wins
    model_length: float
    baseline_length: float


@dataclass(frozen=True)
class Pairs:
    """A model's pairs, one for each instruction, and notes on unusual rows."""

    model: str
    baseline: str
    judges: tuple[str, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = field(default=())


def hash_instruction(instruction: str) -> str:
    """Hash an instruction; differences in white space do not matter."""
    return hashlib.sha256(" ".join(instruction.split()).encode()).hexdigest()[:10]


def parse_pairs(
    rows: Sequence[Row],
    expected_baseline: str | None,
    model: str | None = None,
    baseline: str | None = None,
) -> Pairs:
    """Parse the pairs of one model and one baseline.

    Args:
        rows: The rows of an `annotations.json`.
        expected_baseline: The baseline if a row has it; else `generator_1` names the baseline.
        model: The model, if the rows have several.
        baseline: The baseline that the user named; an unknown one is refused.
    """
    if not rows:
        raise UsageError("there are no judged pairs")
    for number, row in enumerate(rows, 1):
        _check_row(number, row)
    notes: list[str] = []
    if baseline is None:
        baseline = _find_baseline(rows, expected_baseline)
    else:
        _check_baseline(rows, baseline)
    baseline_rows = [row for row in rows if baseline in (row["generator_1"], row["generator_2"])]
    if ignored := len(rows) - len(baseline_rows):
        notes.append(
            f"{_count(ignored, 'row')} against another baseline than {baseline!r} left out"
        )
    model = _find_model(baseline_rows, baseline, model)
    model_rows = [row for row in baseline_rows if model in (row["generator_1"], row["generator_2"])]
    if swapped := sum(_is_swapped(row, baseline) for row in model_rows):
        notes.append(f"{_count(swapped, 'row')} with the model as `output_1`: outputs swapped")
    pairs = _merge_duplicates([_parse_pair(row, baseline) for row in model_rows], notes)
    if all(pair.target is None for pair in pairs):
        raise UsageError(f"none of the {len(pairs)} rows has a preference")
    judges = {row.get("annotator") for row in model_rows}
    if None in judges:
        notes.append("rows without an `annotator`: they are assumed to have the same judge")
    judge_names = sorted(str(judge) for judge in judges if judge is not None)
    return Pairs(model, baseline, tuple(judge_names), tuple(pairs), tuple(notes))


def _check_row(number: int, row: Row) -> None:
    for key in TEXT_KEYS:
        if not isinstance(row.get(key), str):
            problem = "is missing" if key not in row else f"{row[key]!r} is no text"
            raise UsageError(f"row {number}: `{key}` {problem}; see alpaca_eval's annotations.json")
    if not isinstance(row.get("annotator"), str | None):
        raise UsageError(f"row {number}: `annotator` {row['annotator']!r} is no text: name a judge")
    preference = row.get("preference")
    is_number = isinstance(preference, int | float) and not isinstance(preference, bool)
    if preference is None or (isinstance(preference, float) and math.isnan(preference)):
        return
    if not is_number or not (preference == 0 or 1 - ROUNDING <= preference <= 2 + ROUNDING):
        raise UsageError(
            f"row {number}: `preference` {brief(preference)}: from 1, `output_1` wins, to 2; "
            "0 is a draw"
        )


def _check_baseline(rows: Sequence[Row], baseline: str) -> None:
    names = _generators(rows)
    if baseline not in names:
        raise UsageError(f"no row is against the baseline {baseline!r}; there are {_list(names)}")


def _find_baseline(rows: Sequence[Row], expected: str | None) -> str:
    """Return the expected baseline if a row has it, else the only `generator_1`."""
    if expected in _generators(rows):
        return str(expected)
    names = {str(row["generator_1"]) for row in rows}
    if len(names) > 1:
        raise UsageError(
            f"`generator_1` names several ({_list(names)}): say which with --baseline NAME"
        )
    return next(iter(names))


def _generators(rows: Sequence[Row]) -> set[str]:
    return {name for row in rows for name in (row["generator_1"], row["generator_2"])}


def _find_model(rows: Sequence[Row], baseline: str, model: str | None) -> str:
    """Return the named model, or the only one."""
    names = {_model_name(row, baseline) for row in rows}
    if model is not None and model not in names:
        raise UsageError(f"no row is of the model {model!r}; there are {_list(names)}")
    if model is None and len(names) > 1:
        raise UsageError(
            f"rows of {len(names)} models ({_list(names)}): say which with --model NAME"
        )
    return model or next(iter(names))


def _model_name(row: Row, baseline: str) -> str:
    return str(row["generator_1"] if _is_swapped(row, baseline) else row["generator_2"])


def _is_swapped(row: Row, baseline: str) -> bool:
    """Return whether the model's answer is `output_1`."""
    return bool(row["generator_2"] == baseline and row["generator_1"] != baseline)


def _parse_pair(row: Row, baseline: str) -> Pair:
    preference = row.get("preference")
    target = None
    if preference is not None and not math.isnan(preference):
        target = 0.5 if preference == 0 else min(max(float(preference) - 1, 0.0), 1.0)
    model_length, baseline_length = len(row["output_2"]), len(row["output_1"])
    if _is_swapped(row, baseline):
        model_length, baseline_length = baseline_length, model_length
        target = None if target is None else 1 - target
    return Pair(row["instruction"], target, model_length, baseline_length)


def _merge_duplicates(pairs: Iterable[Pair], notes: list[str]) -> list[Pair]:
    """Return one pair for each instruction: equal rows count once, different ones as their mean."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(hash_instruction(pair.instruction), []).append(pair)
    duplicates = sum(len(group) - len(set(group)) for group in groups.values())
    different = sum(len(set(group)) > 1 for group in groups.values())
    if duplicates:
        notes.append(f"{_count(duplicates, 'duplicate row')}, counted once")
    if different:
        count = _count(different, "instruction")
        notes.append(f"{count} judged more than once and differently: the mean is taken")
    merged = [_mean_pair(list(dict.fromkeys(group))) for group in groups.values()]
    unjudged = sum(pair.target is None for pair in merged)
    if unjudged:
        notes.append(f"{_count(unjudged, 'row')} without a preference, not counted")
    return merged


def _mean_pair(pairs: Sequence[Pair]) -> Pair:
    if len(pairs) == 1:
        return pairs[0]
    judged = [pair for pair in pairs if pair.target is not None] or pairs
    targets = [pair.target for pair in judged if pair.target is not None]
    return Pair(
        pairs[0].instruction,
        fmean(targets) if targets else None,
        fmean(pair.model_length for pair in judged),
        fmean(pair.baseline_length for pair in judged),
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)[:5])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
