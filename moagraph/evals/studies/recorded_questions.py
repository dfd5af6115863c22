"""Reads recorded questions: the answers of several systems, and a judge's preferences."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from moagraph.nodes.errors import UsageError

FILE_NAMES = ("alpaca_replay_805.jsonl.gz", "alpaca_replay_40.jsonl.gz", "replay.jsonl")


@dataclass(frozen=True)
class Question:
    """One question: each system's answer, and the judge's preference for it, from 0 to 1.

    `preference` holds the single models, which the studies choose from; `mixed` the mixtures.
    """

    text: str
    answers: Mapping[str, str]
    preference: Mapping[str, float]
    mixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def judged(self) -> dict[str, str]:
        """The answers that have a preference, by system."""
        return {name: self.answers[name] for name in self.preference if name in self.answers}


def read_questions(data: Path) -> list[Question]:
    """Read the questions.

    Args:
        data: A file of JSON lines, gzipped or not, or a folder with one of `FILE_NAMES`.
    """
    file = data
    if data.is_dir():
        paths = [data / name for name in FILE_NAMES]
        file = next((path for path in paths if path.is_file()), paths[0])
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except OSError as error:
        raise UsageError(
            f"cannot read recorded answers at {str(file)!r}: {error.strerror or error}; "
            "give their file or folder with --data"
        ) from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not a complete text file or gzip file: {error}") from error
    lines = enumerate(text.split("\n"), 1)
    questions = [_parse_question(file, number, line) for number, line in lines if line.strip()]
    if not questions:
        raise UsageError(f"{file}: there are no questions")
    return questions


def _parse_question(file: Path, number: int, line: str) -> Question:
    try:
        row = json.loads(line)
        preference = {str(name): float(value) for name, value in row["preference"].items()}
        answers = {str(name): str(answer) for name, answer in row["outputs"].items()}
        question = Question(str(row["instruction"]), answers, preference)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"{file}:{number}: not an object with `instruction`, `outputs` and `preference`"
        ) from error
    invalid = next((name for name, value in preference.items() if not isfinite(value)), None)
    if invalid is not None:
        raise UsageError(
            f"{file}:{number}: the preference for {invalid!r} is {preference[invalid]}, which "
            "cannot be ranked: leave it out"
        )
    return question
