"""Recorded questions with the answers of several systems, some of which a judge has judged."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from moagraph.nodes.errors import UsageError

NAMES = ("alpaca_replay_805.jsonl.gz", "alpaca_replay_40.jsonl.gz", "replay.jsonl")


@dataclass(frozen=True)
class Question:
    """One question: every system's answer, and by system the judge's preference from 0 to 1.

    What is mixed has a preference of its own, and is nothing to choose from.
    """

    text: str
    answers: Mapping[str, str]
    preference: Mapping[str, float]
    mixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def judged(self) -> dict[str, str]:
        """The answers that have a preference."""
        return {name: self.answers[name] for name in self.preference if name in self.answers}


def read_questions(data: Path) -> list[Question]:
    """The questions in a file, or in the file of a known name in a folder."""
    file = data
    if data.is_dir():
        file = next((data / name for name in NAMES if (data / name).is_file()), data / NAMES[0])
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except OSError as error:
        told = f"cannot read recorded answers at {str(file)!r}: {error.strerror or error}"
        raise UsageError(f"{told}; --data names their file or folder") from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not a whole file of text or its gzip: {error}") from error
    lines = enumerate(text.split("\n"), 1)
    found = [_question(file, n, line) for n, line in lines if line.strip()]
    if not found:
        raise UsageError(f"{file}: there are no questions")
    return found


def _question(file: Path, number: int, line: str) -> Question:
    try:
        row = json.loads(line)
        preference = {str(name): float(said) for name, said in row["preference"].items()}
        answers = {str(name): str(said) for name, said in row["outputs"].items()}
        question = Question(str(row["instruction"]), answers, preference)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"{file}:{number}: no object with `instruction`, `outputs` and `preference`"
        ) from error
    odd = next((name for name, said in preference.items() if not isfinite(said)), None)
    if odd is not None:
        raise UsageError(
            f"{file}:{number}: the preference for {odd!r} is {preference[odd]}, which ranks "
            "nothing: leave it out"
        )
    return question
