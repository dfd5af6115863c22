"""The folder of one evaluation: what was run, the answers, the verdicts."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moagraph.evals.json_files import write_text
from moagraph.evals.results import check_run
from moagraph.evals.run.store import Ledger
from moagraph.evals.run.workspace import room
from moagraph.evals.sets.reading import strict
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.state import Json
from moagraph.threads.open import Threads

RUN, ANSWERS, VERDICTS = "run.json", "answers.jsonl", "verdicts.jsonl"


@dataclass(frozen=True)
class Folder:
    """An evaluation's files, held by this process."""

    path: Path
    answers: Ledger
    verdicts: Ledger
    threads: Threads

    @property
    def run(self) -> Json:
        """What was run here so far."""
        return told(self.path)

    def note(self, said: Json, systems: Sequence[str], judges: Sequence[str]) -> None:
        """Say what is run here, beside what was run here before."""
        before = self.run
        if before and before["dataset"] != said["dataset"]:
            raise UsageError(
                f"{str(self.path)!r} holds answers to {before['dataset']!r}, "
                f"not to {said['dataset']!r}: name another folder"
            )
        now = {
            **said,
            "baseline": said.get("baseline") or before.get("baseline"),
            "versions": {**before.get("versions", {}), **said.get("versions", {})},
            "systems": _more(before.get("systems", []), systems),
            "judges": _more(before.get("judges", []), judges),
            "created": before.get("created") or datetime.now(UTC).isoformat(timespec="seconds"),
        }
        new = self.path / f"{RUN}.new"
        text = json.dumps(now, ensure_ascii=False, indent=1) + "\n"
        try:
            write_text(new, text)
            os.replace(new, self.path / RUN)
        except OSError as error:
            raise StorageError(f"cannot write {str(new)!r}: {error.strerror}") from error


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """The folder, made where it is not there; two processes on one are refused."""
    with room(path / "partial", path) as threads:
        answers, verdicts = Ledger(path / ANSWERS), Ledger(path / VERDICTS)
        try:
            yield Folder(path, answers, verdicts, threads)
        finally:
            answers.close()
            verdicts.close()


def told(path: Path) -> Json:
    """What the folder says was run in it; nothing where it is new."""
    file = path / RUN
    if not file.exists():
        return {}
    try:
        said = strict(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or "dataset" not in said:
            raise ValueError("it does not say its `dataset`")
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error}; move it away") from error
    check_run(file, said)
    return said


def _more(before: Sequence[str], now: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*before, *now]))
