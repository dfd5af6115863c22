"""moagraph: language models that work together, as LangGraph DAGs.

`build(recipe)` gives a graph to compile, `ask(question)` one answer; names are loaded when used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphs.build import build
    from graphs.chat_model import ChatMoA
    from graphs.load import load_recipe
    from graphs.recipe import Recipe
    from moagraph.again import areplay, aresume, aretry, replay, resume, retry
    from moagraph.result import Result
    from moagraph.threads import open_threads
    from moagraph.turn import aask, ask
    from nodes.errors import (
        EngineError,
        MissingExtra,
        MissingKey,
        MoaError,
        NotTrusted,
        OverBudget,
        QuorumFailed,
        RecipeError,
        RunError,
        StepFailed,
        Stopped,
        StorageError,
        UnknownName,
        UsageError,
    )
    from nodes.review import Review

_HOMES = {
    "ChatMoA": "graphs.chat_model",
    "build": "graphs.build",
    "load_recipe": "graphs.load",
    "Recipe": "graphs.recipe",
    "Result": "moagraph.result",
    "Review": "nodes.review",
    "aask": "moagraph.turn",
    "ask": "moagraph.turn",
    "areplay": "moagraph.again",
    "aresume": "moagraph.again",
    "aretry": "moagraph.again",
    "open_threads": "moagraph.threads",
    "replay": "moagraph.again",
    "resume": "moagraph.again",
    "retry": "moagraph.again",
}

__all__ = [
    "ChatMoA",
    "EngineError",
    "MissingExtra",
    "MissingKey",
    "MoaError",
    "NotTrusted",
    "OverBudget",
    "QuorumFailed",
    "Recipe",
    "RecipeError",
    "Result",
    "Review",
    "RunError",
    "StepFailed",
    "Stopped",
    "StorageError",
    "UnknownName",
    "UsageError",
    "aask",
    "areplay",
    "aresume",
    "aretry",
    "ask",
    "build",
    "load_recipe",
    "open_threads",
    "replay",
    "resume",
    "retry",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that importing moagraph costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'moagraph' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "nodes.errors")), name)
    globals()[name] = value
    return value
