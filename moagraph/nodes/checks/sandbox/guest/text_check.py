"""A check that reads an answer and runs nothing of it."""

import importlib
import json
import os
from typing import Any, Protocol

MAX_COMPLAINT = 2000  # characters
_PACKAGE = __name__.rpartition(".")[0]


class TextCheck(Protocol):
    """What a module `check_…` offers."""

    def __call__(self, settings: dict[str, Any], answer: str) -> str | None:
        """None where all is well, or what is wrong."""


class UnusableCheck(Exception):
    """The check cannot be what the recipe says: there is no such file, or no such expression."""


def run(job: dict[str, Any]) -> None:
    """TextCheck the answer, and report `passed`, `failed`, or why there is neither."""
    settings = job["settings"]
    check: TextCheck = importlib.import_module(f"{_PACKAGE}.check_{settings['by']}").check
    try:
        complaint = check(settings, job["answer"])
        verdict = "failed" if complaint else "passed"
    except UnusableCheck as error:
        verdict, complaint = "unusable", str(error)
    except Exception as error:
        verdict, complaint = "broken", f"{type(error).__name__}: {error}"
    report = {"verdict": verdict, "why": (complaint or "")[:MAX_COMPLAINT]}
    os.write(job["report"][0], json.dumps(report).encode())
