"""What runs in a verifier's own process: it takes the job from stdin, and leaves a verdict.

Everything that the answer's code prints is dropped; its verdict goes out by a file of its own.
"""

import importlib
import json
import os
import sys
from typing import Any, Protocol

from moagraph.nodes.checks.jail import close

LONGEST = 2000  # characters of a complaint


class Act(Protocol):
    """What a verifier's file offers as `check`: None where all is well, or what is wrong."""

    def __call__(self, said: dict[str, Any], question: str, answer: str) -> str | None:
        """Look at the answer; `Broken` and `Unusable` are no fault of it."""


class Broken(Exception):
    """The verifier gives no verdict."""


class Unusable(Exception):
    """The verifier is not there, or cannot be what the recipe says."""


def main() -> None:
    """Read the job, lock the door where strangers' code may run, and leave the verdict."""
    job = json.load(sys.stdin)
    report = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    said = job["said"]
    act: Act = importlib.import_module(f"moagraph.nodes.checks.by_{said['by']}").check
    if not job["trusted"]:
        close(said["memory_mb"], said["timeout"], job["reads"])
    verdict, why = _verdict(act, said, job["question"], job["answer"])
    os.write(report, json.dumps({"verdict": verdict, "why": why[:LONGEST]}).encode())
    os._exit(0)  # threads that the answer's code has left behind are not waited for


def _verdict(act: Act, said: dict[str, Any], question: str, answer: str) -> tuple[str, str]:
    try:
        complaint = act(said, question, answer)
    except Unusable as error:
        return "unusable", str(error)
    except Broken as error:
        return "broken", str(error)
    except (Exception, RecursionError) as error:
        return "broken", f"{type(error).__name__}: {error}"
    return ("failed", complaint) if complaint else ("passed", "")
