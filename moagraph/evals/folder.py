"""The folder of one evaluation: the run file, the answers and the verdicts."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moagraph.evals.json_files import write_text
from moagraph.evals.results import check_run
from moagraph.evals.run.store import ResultStore
from moagraph.evals.run.workspace import open_workspace
from moagraph.evals.sets.reading import parse_json
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.state import Json
from moagraph.threads.open import Threads

RUN, ANSWERS, VERDICTS = "run.json", "answers.jsonl", "verdicts.jsonl"


@dataclass(frozen=True)
class EvaluationFolder:
    """An evaluation's files, locked by this process."""

    path: Path
    answers: ResultStore
    verdicts: ResultStore
    threads: Threads

    @property
    def run(self) -> Json:
        """The content of the run file; empty for a new folder."""
        return read_run(self.path)

    def update_run(self, run: Json, systems: Sequence[str], judges: Sequence[str]) -> None:
        """Write the run file; systems, judges and versions of earlier runs stay.

        Args:
            run: The values of this run.
            systems: The names of its systems.
            judges: The names of its judges.
        """
        previous = self.run
        if previous and previous["dataset"] != run["dataset"]:
            raise UsageError(
                f"{str(self.path)!r} holds answers to {previous['dataset']!r}, "
                f"not to {run['dataset']!r}: name another folder"
            )
        merged = {
            **run,
            "baseline": run.get("baseline") or previous.get("baseline"),
            "versions": {**previous.get("versions", {}), **run.get("versions", {})},
            "systems": _union(previous.get("systems", []), systems),
            "judges": _union(previous.get("judges", []), judges),
            "created": previous.get("created") or datetime.now(UTC).isoformat(timespec="seconds"),
        }
        new_file = self.path / f"{RUN}.new"
        try:
            write_text(new_file, json.dumps(merged, ensure_ascii=False, indent=1) + "\n")
            os.replace(new_file, self.path / RUN)
        except OSError as error:
            raise StorageError(f"cannot write {str(new_file)!r}: {error.strerror}") from error


@contextmanager
def open_folder(path: Path) -> Iterator[EvaluationFolder]:
    """Open the folder, or create it; a folder that another process has open is refused."""
    with open_workspace(path / "partial", path) as threads:
        answers, verdicts = ResultStore(path / ANSWERS), ResultStore(path / VERDICTS)
        try:
            yield EvaluationFolder(path, answers, verdicts, threads)
        finally:
            answers.close()
            verdicts.close()


def read_run(path: Path) -> Json:
    """Return the content of a folder's run file; empty for a new folder."""
    file = path / RUN
    if not file.exists():
        return {}
    try:
        run = parse_json(file.read_text(encoding="utf-8"))
        if not isinstance(run, dict) or "dataset" not in run:
            raise ValueError("it has no `dataset`")
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error}; move it away") from error
    check_run(file, run)
    return run


def _union(previous: Sequence[str], names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*previous, *names]))
