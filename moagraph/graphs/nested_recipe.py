"""A recipe in a seat of another: `moa:NAME` or `moa:path/to/recipe.toml`."""

from contextvars import ContextVar
from typing import Any

from langchain_core.language_models import BaseChatModel

from moagraph.graphs.recipe.calls import own_calls
from moagraph.graphs.recipe.load import load_recipe, recipe_file
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.state import model_calls

SAMPLING = {"temperature", "top_p", "max_tokens", "seed", "stop"}

# The files of the recipes that the one being checked is nested in.
_outer_files: ContextVar[tuple[str, ...]] = ContextVar("outer_files", default=())


def nested_model(call: Call, name: str, _: Any) -> BaseChatModel:
    """Return the recipe as the chat model that answers the call."""
    from moagraph.graphs.chat_model import ChatMoA

    return ChatMoA(recipe=name, **call.model_dump(include=SAMPLING))


def check_nested(call: Call) -> None:
    """Refuse, before any call, a recipe that cannot run in a seat."""
    _, name = split(call.model)
    file = str(recipe_file(name).resolve())
    if file in _outer_files.get():
        raise RecipeError(f"`{call.model}` contains itself: give the seat another model")
    recipe = load_recipe(name)
    if recipe.may_pause:
        raise UsageError(f"`{call.model}` pauses for a person, which a seat cannot")
    token = _outer_files.set((*_outer_files.get(), file))
    try:
        for inner in own_calls(recipe):
            check(inner)
    finally:
        _outer_files.reset(token)
