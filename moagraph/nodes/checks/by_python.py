"""What a function of the user's says of an answer."""

import importlib
import inspect
from functools import reduce
from typing import Any

from moagraph.nodes.checks.inside import Broken, Unusable


def check(said: dict[str, Any], question: str, answer: str) -> str | None:
    """Call it with the answer, and with the question where it takes two values."""
    function = _function(said["function"])
    given = (answer, question) if _takes_two(function) else (answer,)
    try:
        told = function(*given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if told is True:
        return None
    if told is False:
        return f"`{said['function']}` says no"
    if isinstance(told, str) and told.strip():
        return told
    kind = type(told).__name__
    raise Broken(f"`{said['function']}` returned {told!r:.80} ({kind}), not True or a complaint")


def _function(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        function = reduce(getattr, name.split("."), importlib.import_module(module))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise Unusable(f"`{path}` cannot be imported: {why}") from error
    if not callable(function):
        raise Unusable(f"`{path}` is no function")
    return function


def _takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind("answer", "question")
    except (TypeError, ValueError):
        return False
    return True
