"""A recipe in a seat of another: `moa:NAME` or `moa:path/to/recipe.toml`."""

from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from moagraph.graphs.recipe.load import load_recipe, recipe_file
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.state import calls

SAMPLING = {"temperature", "top_p", "max_tokens", "seed", "stop"}

_outside: ContextVar[tuple[str, ...]] = ContextVar("outside", default=())


def nested(call: Call, name: str, _: Any) -> BaseChatModel:
    """The recipe as the model that answers the call."""
    from moagraph.graphs.chat_model import ChatMoA

    return ChatMoA(recipe=name, **call.model_dump(include=SAMPLING))


def check_nested(call: Call) -> None:
    """Refuse, before anything is sent, a recipe that cannot run in a seat."""
    _, name = split(call.model)
    file = str(recipe_file(name).resolve())
    if file in _outside.get():
        raise RecipeError(f"`{call.model}` contains itself: give the seat another model")
    recipe = load_recipe(name)
    if recipe.pauses:
        raise UsageError(f"`{call.model}` pauses for a person, which a seat cannot")
    token = _outside.set((*_outside.get(), file))
    try:
        for inner in own_calls(recipe):
            check(inner)
    finally:
        _outside.reset(token)


def own_calls(recipe: Recipe) -> Iterator[Call]:
    """Every call that the recipe itself makes, the substitutes of each behind it."""
    for settings in calls(recipe.resolved()):
        known = {key: settings[key] for key in settings if key in Call.model_fields}
        yield from (call := Call.model_validate(known), *call.substitutes)


def every_call(recipe: Recipe, visited: set[Path] | None = None) -> Iterator[Call]:
    """Every call of the recipe and of the recipes in its seats, each file once."""
    visited = set() if visited is None else visited
    for call in own_calls(recipe):
        yield call
        provider, name = split(call.model)
        if provider == "moa" and (file := recipe_file(name).resolve()) not in visited:
            visited.add(file)
            yield from every_call(load_recipe(name), visited)
