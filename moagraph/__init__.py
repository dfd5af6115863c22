"""moagraph: language models that work together, as LangGraph DAGs.

`build(recipe)` gives a graph to compile, `ask(question)` one answer; names are loaded when used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moagraph.api.ask import aask, ask
    from moagraph.api.resume import areplay, aresume, aretry, replay, resume, retry
    from moagraph.api.stream import astream, stream
    from moagraph.graphs.chat_model import ChatMoA
    from moagraph.graphs.compile.build import build
    from moagraph.graphs.recipe.load import load_recipe
    from moagraph.graphs.recipe.schema import Layer, Recipe
    from moagraph.nodes.errors import (
        EngineError,
        ExtensionError,
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
        UnknownStep,
        UsageError,
    )
    from moagraph.nodes.models.provider import Provider
    from moagraph.nodes.node_spec import NodeView
    from moagraph.nodes.policies.review import Review
    from moagraph.nodes.step_support.base import Step
    from moagraph.nodes.step_support.registry import register_step
    from moagraph.nodes.step_support.selection import SelectionStep, select_answers
    from moagraph.threads.events import (
        AnswerToken,
        Event,
        LayerFinished,
        RunFinished,
        SeatFinished,
        SeatStarted,
        SeatToken,
        StepFinished,
    )
    from moagraph.threads.open import open_threads
    from moagraph.threads.result import Result

_HOMES = {
    "Layer": "moagraph.graphs.recipe.schema",
    "NodeView": "moagraph.nodes.node_spec",
    "Provider": "moagraph.nodes.models.provider",
    "SelectionStep": "moagraph.nodes.step_support.selection",
    "Step": "moagraph.nodes.step_support.base",
    "register_step": "moagraph.nodes.step_support.registry",
    "select_answers": "moagraph.nodes.step_support.selection",
    "astream": "moagraph.api.stream",
    "stream": "moagraph.api.stream",
    "AnswerToken": "moagraph.threads.events",
    "Event": "moagraph.threads.events",
    "LayerFinished": "moagraph.threads.events",
    "RunFinished": "moagraph.threads.events",
    "SeatFinished": "moagraph.threads.events",
    "SeatStarted": "moagraph.threads.events",
    "SeatToken": "moagraph.threads.events",
    "StepFinished": "moagraph.threads.events",
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
    "AnswerToken",
    "ChatMoA",
    "EngineError",
    "Event",
    "ExtensionError",
    "Layer",
    "LayerFinished",
    "MissingExtra",
    "MissingKey",
    "MoaError",
    "NodeView",
    "NotTrusted",
    "OverBudget",
    "Provider",
    "QuorumFailed",
    "Recipe",
    "RecipeError",
    "Result",
    "Review",
    "RunError",
    "RunFinished",
    "SeatFinished",
    "SeatStarted",
    "SeatToken",
    "SelectionStep",
    "Step",
    "StepFailed",
    "StepFinished",
    "Stopped",
    "StorageError",
    "UnknownName",
    "UnknownStep",
    "UsageError",
    "aask",
    "areplay",
    "aresume",
    "aretry",
    "ask",
    "astream",
    "build",
    "load_recipe",
    "open_threads",
    "register_step",
    "replay",
    "resume",
    "retry",
    "select_answers",
    "stream",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that importing moagraph costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'moagraph' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "moagraph.nodes.errors")), name)
    globals()[name] = value
    return value
