"""What a turn asks at most, where nothing fails: recipes inside included."""

from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING

from moagraph.nodes.steps.begin import as_chosen
from moagraph.nodes.models.address import split
from moagraph.nodes.errors import MoaError
from moagraph.nodes.state import Json, calls

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Recipe


def asks(recipe: "Recipe", outside: tuple[str, ...] = ()) -> int:
    """All calls; of seats among which a router chooses, those of the dearest name."""
    said = recipe.resolved()
    routed = any("otherwise" in step and "rules" in step for step in said["before"])
    named: Counter[str] = Counter()
    for seat in said["layers"][0]["proposers"]:
        if routed and "name" in seat:
            named[seat["name"]] += _times(seat, outside)
    every = sum(_times(call, outside) for call in calls(said))
    return every - named.total() + max(named.values(), default=0)


def unfolded(said: Json, outside: tuple[str, ...] = ()) -> Json:
    """The resolved recipe where each call of a recipe has that one, as it would run, `inside`."""
    whole = deepcopy(said)
    for call in calls(whole):
        if inner := _inner(call, outside):
            name, recipe = inner
            longest = {"max_tokens": call["max_tokens"]} if call.get("max_tokens") else {}
            told = as_chosen(recipe.resolved(), longest)
            call["inside"] = unfolded(told, (*outside, name))
    return whole


def _times(call: Json, outside: tuple[str, ...]) -> int:
    """How often the call is made, or those of the recipe that sits there."""
    times = int(call.get("asks", 1))
    if inner := _inner(call, outside):
        name, recipe = inner
        times *= asks(recipe, (*outside, name))
    return times


def _inner(call: Json, outside: tuple[str, ...]) -> tuple[str, "Recipe"] | None:
    """The recipe in the seat; what is wrong with it is told when it is run."""
    from moagraph.graphs.recipe.load import load_recipe

    provider, name = split(call["model"])
    if provider != "moa" or name in outside:
        return None
    try:
        return name, load_recipe(name)
    except MoaError:
        return None
