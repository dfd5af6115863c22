"""What an evaluation's folder holds, as far as it was written: answers, verdicts, and notes."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from moagraph.evals.dataset import heard
from moagraph.evals.json_files import read_json
from moagraph.nodes.errors import UsageError

Row = Mapping[str, Any]
Where = tuple[str, int]  # a question's id and the turn

ANSWER = ("key", "system", "kind", "id", "question", "answer", "status")
SAID: Mapping[str, Any] = {
    "systems": list,
    "judges": list,
    "versions": dict,
    "baseline": str | None,
}
VERDICT = ("key", "judge", "method", "system", "id", "parsed")


@dataclass(frozen=True)
class Results:
    """One run: each system's answers, and what judges said of them."""

    folder: Path
    run: Row
    answers: Sequence[Row]
    verdicts: Sequence[Row]
    notes: Sequence[str] = ()

    @property
    def systems(self) -> list[str]:
        """Every system that has a row, in the order in which the run names them."""
        named = [str(name) for name in self.run.get("systems", [])]
        return list(dict.fromkeys([*named, *(row["system"] for row in self.answers)]))

    def of(self, system: str) -> dict[Where, Row]:
        """A system's answers that came, by question and turn."""
        rows = (row for row in self.answers if row["system"] == system)
        return {where(row): row for row in rows if row["status"] == "done"}


def where(row: Row) -> Where:
    """Which question, and which turn of it."""
    return str(row["id"]), int(row.get("turn") or 1)


def answer_place(row: Row) -> tuple[Any, ...]:
    """What the row is an answer to, and whose; the newest counts."""
    return row["system"], where(row)


def verdict_place(row: Row) -> tuple[Any, ...]:
    """What the row is a verdict on, and whose; the newest counts."""
    who = (row["judge"], row["system"], row.get("baseline"), row.get("order"), row.get("skill"))
    return *who, where(row)


def read_results(folder: Path) -> Results:
    """The folder's files; a line that cannot be read is left out, and said so."""
    run = read_json(folder / "run.json", "run")
    if not isinstance(run, dict):
        raise UsageError(f"{folder / 'run.json'}: no JSON object; is this an evaluation's folder?")
    check_run(folder / "run.json", run)
    notes: list[str] = []
    answers = _rows(folder / "answers.jsonl", ANSWER, notes)
    verdicts = _rows(folder / "verdicts.jsonl", VERDICT, notes)
    if not answers:
        raise UsageError(f"{folder}: there are no answers yet; `moa eval run` makes some")
    if run.get("smoke"):
        notes.insert(0, "a smoke run: too few questions to compare its numbers with others")
    found = current(run, answers)
    told = _about(run, found, verdicts)
    if left := len(answers) - len(found) + len(verdicts) - len(told):
        notes.append(f"{left} rows are of what was changed since then, and are not counted")
    answers, verdicts = found, told
    named = _named([*run.get("systems", []), *(str(row["system"]) for row in answers)])
    return Results(
        folder,
        {
            **run,
            "systems": [named.get(one, one) for one in run.get("systems", [])],
            **_renamed(run, named, "baseline"),
        },
        [{**row, **_renamed(row, named, "system")} for row in answers],
        [{**row, **_renamed(row, named, "system", "baseline")} for row in verdicts],
        notes,
    )


def check_run(file: Path, run: Row) -> None:
    """Refuse a run whose values are not what a run writes."""
    for key, kind in SAID.items():
        said = run.get(key)
        texts = said if isinstance(said, list) else ()
        odd = key in run and not isinstance(said, kind)
        if odd or not all(isinstance(one, str) for one in texts):
            raise UsageError(
                f"{str(file)!r}: `{key}` {brief(said)} is not what a run writes: move the file "
                "away, and `moa eval run` writes it anew"
            )


def current(run: Row, answers: Sequence[Row]) -> list[Row]:
    """Each question's newest answer by each system, as the system was when it was run last."""
    known = run.get("versions", {})
    found: dict[tuple[Any, ...], Row] = {}
    for row in answers:
        if row.get("version") in (None, known.get(row["system"], row.get("version"))):
            found[answer_place(row)] = row
    return list(found.values())


def _about(run: Row, answers: Sequence[Row], verdicts: Sequence[Row]) -> list[Row]:
    """The newest verdicts on those very answers, and beside that very baseline."""
    texts = {(row["system"], where(row)): row["answer"] for row in answers}
    baseline = run.get("baseline")
    found: dict[tuple[Any, ...], Row] = {}
    for row in verdicts:
        compared = row.get("baseline")
        if compared and baseline and compared != baseline:
            continue
        if row.get("heard") in (None, _heard(texts, row)):
            found[verdict_place(row)] = row
    return list(found.values())


def _heard(texts: Mapping[tuple[str, Where], str], row: Row) -> str | None:
    """What a verdict on the row's answers would be about today; None where one is missing."""
    id_, turn = where(row)
    both = [row["system"], *([row["baseline"]] if row.get("order") else [])]
    said = [
        [texts.get((system, (id_, number))) for number in range(1, turn + 1)] for system in both
    ]
    whole = [[text for text in one if text is not None] for one in said]
    return heard(*whole) if all(len(one) == turn for one in whole) else None


def _named(systems: Sequence[str]) -> dict[str, str]:
    """A recipe's file by its own name, where no other system would be called the same."""
    short = {one: Path(one).stem if one.endswith(".toml") else one for one in systems}
    times = Counter(short.values())
    return {one: name for one, name in short.items() if times[name] == 1}


def _renamed(row: Row, named: Mapping[str, str], *keys: str) -> Row:
    return {key: named.get(row[key], row[key]) for key in keys if row.get(key) is not None}


def _rows(file: Path, needed: Sequence[str], notes: list[str]) -> list[Row]:
    """Every whole row once: of rows with the same key the last stands."""
    if not file.exists():
        return []
    found: dict[str, Row] = {}
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = [key for key in needed if key not in row]
        except (ValueError, TypeError, RecursionError):
            row, missing = None, ["everything"]
        if not isinstance(row, dict) or missing:
            notes.append(f"{file.name}: line {number} is not whole and was left out")
            continue
        found.pop(key := str(row["key"]), None)  # the newest stands last
        found[key] = row
    return list(found.values())


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from lines
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}: {error.strerror}") from error
