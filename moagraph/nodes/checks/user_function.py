"""The process that runs a user's own check function on an answer."""

import importlib
import inspect
import json
import os
import sys
from functools import reduce
from typing import Any

MAX_COMPLAINT = 2000  # characters


class BrokenFunction(Exception):
    """The function returned something that is not a verdict."""


class UnusableFunction(Exception):
    """The function does not exist or cannot be imported."""


def main() -> None:
    """Read the job from standard input, call the function, and report its verdict.

    The function's own output is discarded.
    """
    job = json.load(sys.stdin)
    report = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    verdict, reason = _verdict(job["function"], job["question"], job["answer"])
    os.write(report, json.dumps({"verdict": verdict, "why": reason[:MAX_COMPLAINT]}).encode())
    os._exit(0)  # threads that the function has left behind are not waited for


def _verdict(path: str, question: str, answer: str) -> tuple[str, str]:
    try:
        complaint = _complaint(path, question, answer)
    except UnusableFunction as error:
        return "unusable", str(error)
    except BrokenFunction as error:
        return "broken", str(error)
    return ("failed", complaint) if complaint else ("passed", "")


def _complaint(path: str, question: str, answer: str) -> str | None:
    """Call the function with the answer, and with the question if it takes two arguments."""
    function = _function(path)
    arguments = (answer, question) if _takes_two(function) else (answer,)
    try:
        result = function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if result is True:
        return None
    if result is False:
        return f"`{path}` says no"
    if isinstance(result, str) and result.strip():
        return result
    kind = type(result).__name__
    raise BrokenFunction(f"`{path}` returned {result!r:.80} ({kind}), not True or a complaint")


def _function(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        function = reduce(getattr, name.split("."), importlib.import_module(module))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnusableFunction(f"`{path}` cannot be imported: {reason}") from error
    if not callable(function):
        raise UnusableFunction(f"`{path}` is no function")
    return function


def _takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind("answer", "question")
    except (TypeError, ValueError):
        return False
    return True
