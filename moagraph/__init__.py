"""moagraph: language models that work together, as LangGraph DAGs.

`build(recipe)` gives a graph to compile, `ask(question)` one answer; names are loaded when used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moagraph.api.ask import aask, ask
    from moagraph.api.resume import areplay, aresume, aretry, replay, resume, retry
    from moagraph.graphs.chat_model import ChatMoA
    from moagraph.graphs.compile.build import build
    from moagraph.graphs.recipe.load import load_recipe
    from moagraph.graphs.recipe.schema import Recipe
    from moagraph.nodes.errors import (
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
    from moagraph.nodes.policies.review import Review
    from moagraph.threads.open import open_threads
    from moagraph.threads.result import Result

_HOMES = {
    "ChatMoA": "moagraph.graphs.chat_model",
    "build": "moagraph.graphs.compile.build",
    "load_recipe": "moagraph.graphs.recipe.load",
    "Recipe": "moagraph.graphs.recipe.schema",
    "Result": "moagraph.threads.result",
    "Review": "moagraph.nodes.policies.review",
    "aask": "moagraph.api.ask",
    "ask": "moagraph.api.ask",
    "areplay": "moagraph.api.resume",
    "aresume": "moagraph.api.resume",
    "aretry": "moagraph.api.resume",
    "open_threads": "moagraph.threads.open",
    "replay": "moagraph.api.resume",
    "resume": "moagraph.api.resume",
    "retry": "moagraph.api.resume",
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
    value = getattr(import_module(_HOMES.get(name, "moagraph.nodes.errors")), name)
    globals()[name] = value
    return value
