"""Read the files of an evaluation's folder: answers, verdicts, and notes on unusable lines."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from moagraph.evals.dataset import digest_answers
from moagraph.evals.json_files import read_json
from moagraph.nodes.errors import UsageError

Row = Mapping[str, Any]
TurnKey = tuple[str, int]  # a question's id and the number of the turn

ANSWER_KEYS = ("key", "system", "kind", "id", "question", "answer", "status")
VERDICT_KEYS = ("key", "judge", "method", "system", "id", "parsed")
RUN_TYPES: Mapping[str, Any] = {
    "systems": list,
    "judges": list,
    "versions": dict,
    "baseline": str | None,
}


@dataclass(frozen=True)
class Results:
    """One run: each system's answers, and the judges' verdicts on them."""

    folder: Path
    run: Row
    answers: Sequence[Row]
    verdicts: Sequence[Row]
    notes: Sequence[str] = ()

    @property
    def systems(self) -> list[str]:
        """Every system with an answer, in the order of the run file."""
        ordered = [str(name) for name in self.run.get("systems", [])]
        return list(dict.fromkeys([*ordered, *(row["system"] for row in self.answers)]))

    def answers_by_turn(self, system: str) -> dict[TurnKey, Row]:
        """Return a system's answers without the failed ones."""
        rows = (row for row in self.answers if row["system"] == system)
        return {turn_key(row): row for row in rows if row["status"] == "done"}


def turn_key(row: Row) -> TurnKey:
    """Return the question and the turn that a row is about."""
    return str(row["id"]), int(row.get("turn") or 1)


def answer_slot(row: Row) -> tuple[Any, ...]:
    """Return whose answer the row is, and to which turn; the newest row of a slot counts."""
    return row["system"], turn_key(row)


def verdict_slot(row: Row) -> tuple[Any, ...]:
    """Return whose verdict the row is, and on which answer; the newest row of a slot counts."""
    judge, optional = row["judge"], ("baseline", "order", "skill")
    return judge, row["system"], *(row.get(key) for key in optional), turn_key(row)


def read_results(folder: Path) -> Results:
    """Read a run's folder; each unusable line is left out with a note."""
    run_file = folder / "run.json"
    run = read_json(run_file, "run")
    if not isinstance(run, dict):
        raise UsageError(f"{run_file}: no JSON object; is this an evaluation's folder?")
    check_run(run_file, run)
    notes: list[str] = []
    all_answers = _read_rows(folder / "answers.jsonl", ANSWER_KEYS, notes)
    all_verdicts = _read_rows(folder / "verdicts.jsonl", VERDICT_KEYS, notes)
    if not all_answers:
        raise UsageError(f"{folder}: there are no answers yet; `moa eval run` makes some")
    if run.get("smoke"):
        notes.insert(0, "a smoke run: too few questions to compare its numbers with others")
    answers = current_answers(run, all_answers)
    verdicts = _current_verdicts(run, answers, all_verdicts)
    if outdated := len(all_answers) - len(answers) + len(all_verdicts) - len(verdicts):
        notes.append(
            f"{outdated} rows are outdated and not counted: a system, an answer or the baseline "
            "has changed since"
        )
    return _with_short_names(Results(folder, run, answers, verdicts, notes))


def check_run(file: Path, run: Row) -> None:
    """Refuse a run file whose values have the wrong types.

    Args:
        file: The file, for the error message.
        run: Its content.
    """
    for key, type_ in RUN_TYPES.items():
        value = run.get(key)
        names = value if isinstance(value, list) else ()
        wrong_type = key in run and not isinstance(value, type_)
        if wrong_type or not all(isinstance(name, str) for name in names):
            raise UsageError(
                f"{str(file)!r}: `{key}` {brief(value)} is not what a run writes: move the file "
                "away, and `moa eval run` writes it anew"
            )


def current_answers(run: Row, answers: Sequence[Row]) -> list[Row]:
    """Return each system's newest answer to each turn, without those of an older version.

    Args:
        run: The run file, with the version of each system in its last run.
        answers: The answers, oldest first.
    """
    versions = run.get("versions", {})
    current: dict[tuple[Any, ...], Row] = {}
    for row in answers:
        if row.get("version") in (None, versions.get(row["system"], row.get("version"))):
            current[answer_slot(row)] = row
    return list(current.values())


def _current_verdicts(run: Row, answers: Sequence[Row], verdicts: Sequence[Row]) -> list[Row]:
    """Return the newest verdicts on exactly these answers and the run's baseline."""
    texts = {(row["system"], turn_key(row)): row["answer"] for row in answers}
    run_baseline = run.get("baseline")
    current: dict[tuple[Any, ...], Row] = {}
    for row in verdicts:
        baseline = row.get("baseline")
        if baseline and run_baseline and baseline != run_baseline:
            continue
        if row.get("heard") in (None, _answers_digest(texts, row)):
            current[verdict_slot(row)] = row
    return list(current.values())


def _answers_digest(texts: Mapping[tuple[str, TurnKey], str], verdict: Row) -> str | None:
    """Hash the present answers that the verdict is about; None if one of them is missing."""
    id_, last_turn = turn_key(verdict)
    baselines = [verdict["baseline"]] if verdict.get("order") else []
    conversations = []
    for system in (verdict["system"], *baselines):
        keys = [(system, (id_, turn)) for turn in range(1, last_turn + 1)]
        if any(texts.get(key) is None for key in keys):
            return None
        conversations.append([texts[key] for key in keys])
    return digest_answers(*conversations)


def _with_short_names(results: Results) -> Results:
    """Name the systems of recipe files by the file's stem."""
    run, answers = results.run, results.answers
    run_systems = run.get("systems", [])
    names = _short_names([*run_systems, *(str(row["system"]) for row in answers)])
    renamed_run = {
        **run,
        "systems": [names.get(system, system) for system in run_systems],
        **_renamed(run, names, "baseline"),
    }
    return Results(
        results.folder,
        renamed_run,
        [{**row, **_renamed(row, names, "system")} for row in answers],
        [{**row, **_renamed(row, names, "system", "baseline")} for row in results.verdicts],
        results.notes,
    )


def _short_names(systems: Sequence[str]) -> dict[str, str]:
    """Map each system to its short name, unless two systems would share it."""
    names = {
        system: Path(system).stem if system.endswith(".toml") else system for system in systems
    }
    counts = Counter(names.values())
    return {system: name for system, name in names.items() if counts[name] == 1}


def _renamed(row: Row, names: Mapping[str, str], *keys: str) -> Row:
    return {key: names.get(row[key], row[key]) for key in keys if row.get(key) is not None}


def _read_rows(file: Path, required: Sequence[str], notes: list[str]) -> list[Row]:
    """Read the complete rows; the last row with a key replaces the others with that key."""
    if not file.exists():
        return []
    rows: dict[str, Row] = {}
    for number, line in enumerate(_read_lines(file), 1):
        if not line.strip():
            continue
        row = _parse_row(line, required)
        if row is None:
            notes.append(f"{file.name}: line {number} is incomplete and was left out")
            continue
        rows.pop(key := str(row["key"]), None)  # so that the newest row comes last
        rows[key] = row
    return list(rows.values())


def _parse_row(line: str, required: Sequence[str]) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and all(key in row for key in required) else None


def _read_lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from lines
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}: {error.strerror}") from error
