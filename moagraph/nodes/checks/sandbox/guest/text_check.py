"""The process of a check that runs no code of the answer."""

import importlib
import json
import os
from typing import Any, Protocol

MAX_COMPLAINT = 2000  # characters
_PACKAGE = __name__.rpartition(".")[0]


class TextCheck(Protocol):
    """The function `check` of a module `check_…`."""

    def __call__(self, settings: dict[str, Any], answer: str) -> str | None:
        """Return a complaint, or None if the answer passes."""


class UnusableCheck(Exception):
    """The check's settings cannot be used, for example because a file is missing."""


def run(job: dict[str, Any]) -> None:
    """Check the answer and report the verdict."""
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
