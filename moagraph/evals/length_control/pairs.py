"""Judged pairs of answers, out of rows as `alpaca_eval` stores them: one model, one baseline."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as brief
from statistics import fmean
from typing import Any

from moagraph.nodes.errors import UsageError

Row = Mapping[str, Any]
ROUNDED = 1e-6  # what a sum of probabilities may be off by
TEXTS = ("instruction", "output_1", "generator_1", "output_2", "generator_2")


@dataclass(frozen=True)
class Pair:
    """One instruction, answered by the model and by the baseline, and what the judge preferred."""

    instruction: str
    target: float | None  # from 0, the baseline wins, to 1, the model wins
    model_length: float
    baseline_length: float


@dataclass(frozen=True)
class Pairs:
    """A model's pairs, an instruction each, and what had to be said of the rows."""

    model: str
    baseline: str
    judges: tuple[str, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = field(default=())


def mark(instruction: str) -> str:
    """A hash by which an instruction is known again, whatever its spaces and line ends."""
    return hashlib.sha256(" ".join(instruction.split()).encode()).hexdigest()[:10]


def pairs_of(
    rows: Sequence[Row], baseline: str | None, model: str | None = None, named: str | None = None
) -> Pairs:
    """The pairs in the rows; `baseline` is expected, and may be another's; `named` is there."""
    for number, row in enumerate(rows, 1):
        _check(number, row)
    notes: list[str] = []
    against = _baseline(rows, baseline) if named is None else _present(rows, named)
    mine = [row for row in rows if against in (row["generator_1"], row["generator_2"])]
    if len(mine) < len(rows):
        count = _counted(len(rows) - len(mine), "row")
        notes.append(f"{count} against another baseline than {against!r} left out")
    name = _model(mine, against, model)
    mine = [row for row in mine if name in (row["generator_1"], row["generator_2"])]
    swapped = sum(_swapped(row, against) for row in mine)
    if swapped:
        notes.append(f"{_counted(swapped, 'row')} with the model as `output_1` turned round")
    pairs = _each_once([_pair(row, against) for row in mine], notes)
    if all(pair.target is None for pair in pairs):
        raise UsageError(f"none of the {len(pairs)} rows has a preference")
    judges = {row.get("annotator") for row in mine}
    if None in judges:
        notes.append("rows that do not name their judge: taken as the others, or as the expected")
    told = sorted(str(judge) for judge in judges if judge is not None)
    return Pairs(name, against, tuple(told), tuple(pairs), tuple(notes))


def _check(number: int, row: Row) -> None:
    for key in TEXTS:
        if not isinstance(row.get(key), str):
            found = "is missing" if key not in row else f"{row[key]!r} is no text"
            raise UsageError(f"row {number}: `{key}` {found}; see alpaca_eval's annotations.json")
    if not isinstance(row.get("annotator"), str | None):
        raise UsageError(f"row {number}: `annotator` {row['annotator']!r} is no text: name a judge")
    said = row.get("preference")
    number_like = isinstance(said, int | float) and not isinstance(said, bool)
    if said is None or (isinstance(said, float) and math.isnan(said)):
        return
    if not number_like or not (said == 0 or 1 - ROUNDED <= said <= 2 + ROUNDED):
        raise UsageError(
            f"row {number}: `preference` {brief(said)}: from 1, `output_1` wins, to 2; 0 is a draw"
        )


def _present(rows: Sequence[Row], named: str) -> str:
    names = _generators(rows)
    if named not in names:
        told = ", ".join(repr(name) for name in sorted(names)[:5])
        raise UsageError(f"no row is against the baseline {named!r}; there are {told}")
    return named


def _baseline(rows: Sequence[Row], expected: str | None) -> str:
    """The expected one where a row has it, else the one that `generator_1` names by custom."""
    if expected in _generators(rows):
        return str(expected)
    first = Counter(row["generator_1"] for row in rows)
    if len(first) > 1:
        told = ", ".join(repr(name) for name in sorted(first)[:5])
        raise UsageError(f"`generator_1` names several ({told}): say which with --baseline NAME")
    return str(next(iter(first)))


def _generators(rows: Sequence[Row]) -> set[str]:
    return {name for row in rows for name in (row["generator_1"], row["generator_2"])}


def _model(rows: Sequence[Row], against: str, wanted: str | None) -> str:
    names = {_names(row, against)[0] for row in rows}
    if wanted is not None and wanted not in names:
        told = ", ".join(repr(name) for name in sorted(names)[:5])
        raise UsageError(f"no row is of the model {wanted!r}; there are {told}")
    if wanted is None and len(names) > 1:
        told = ", ".join(repr(name) for name in sorted(names)[:5])
        raise UsageError(f"rows of {len(names)} models ({told}): say which with --model NAME")
    return wanted or str(next(iter(names)))


def _names(row: Row, against: str) -> tuple[str, str]:
    names = str(row["generator_2"]), str(row["generator_1"])
    return names[::-1] if _swapped(row, against) else names


def _swapped(row: Row, against: str) -> bool:
    return bool(row["generator_2"] == against and row["generator_1"] != against)


def _pair(row: Row, against: str) -> Pair:
    """The row, turned round where the model stands first."""
    said = row.get("preference")
    target = None
    if said is not None and not math.isnan(said):
        target = 0.5 if said == 0 else min(max(float(said) - 1, 0.0), 1.0)
    lengths = len(row["output_2"]), len(row["output_1"])
    if _swapped(row, against):
        lengths = lengths[1], lengths[0]
        target = None if target is None else 1 - target
    return Pair(row["instruction"], target, *lengths)


def _each_once(pairs: Iterable[Pair], notes: list[str]) -> list[Pair]:
    """One pair an instruction: what is there twice counts once, what differs counts as its mean."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(mark(pair.instruction), []).append(pair)
    again = sum(len(same) - len(set(same)) for same in found.values())
    differ = sum(len(set(same)) > 1 for same in found.values())
    if again:
        notes.append(f"{_counted(again, 'row')} there twice, counted once")
    if differ:
        what = _counted(differ, "instruction")
        notes.append(f"{what} judged more than once and differently: the mean is taken")
    once = [_mean(list(dict.fromkeys(same))) for same in found.values()]
    unjudged = sum(pair.target is None for pair in once)
    if unjudged:
        notes.append(f"{_counted(unjudged, 'row')} without a preference, not counted")
    return once


def _mean(same: Sequence[Pair]) -> Pair:
    if len(same) == 1:
        return same[0]
    judged = [pair for pair in same if pair.target is not None] or same
    targets = [pair.target for pair in judged if pair.target is not None]
    return Pair(
        same[0].instruction,
        fmean(targets) if targets else None,
        fmean(pair.model_length for pair in judged),
        fmean(pair.baseline_length for pair in judged),
    )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
