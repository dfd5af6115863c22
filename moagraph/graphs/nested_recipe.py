"""A recipe in a seat of another: `moa:NAME` or `moa:path/to/recipe.toml`."""

from contextvars import ContextVar
from typing import Any

from langchain_core.language_models import BaseChatModel

from moagraph.graphs.recipe.load import load_recipe, recipe_file
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.errors import RecipeError, UsageError
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
        for said in calls(recipe.resolved()):
            told = {key: said[key] for key in said if key in Call.model_fields}
            for inner in (one := Call.model_validate(told), *one.substitutes):
                check(inner)
    finally:
        _outside.reset(token)
