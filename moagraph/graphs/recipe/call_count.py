"""The most model calls that a turn makes, nested recipes included."""

from collections import Counter
from copy import deepcopy

from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.address import split
from moagraph.nodes.state import Json, model_calls
from moagraph.nodes.step_support.registry import has_property
from moagraph.nodes.steps.begin import with_context


def max_calls(recipe: Recipe, outer: tuple[str, ...] = ()) -> int:
    """Return the most calls of a turn if nothing fails.

    Args:
        recipe: The recipe; of the seats that a router chooses among, the most expensive count.
        outer: The names of the recipes that it is nested in, so that a cycle ends.
    """
    resolved = recipe.resolved()
    is_routed = any(has_property(step, "routes") for step in resolved["before"])
    by_name: Counter[str] = Counter()
    for seat in resolved["layers"][0]["proposers"]:
        if is_routed and "name" in seat:
            by_name[seat["name"]] += _call_count(seat, outer)
    every = sum(_call_count(call, outer) for call in model_calls(resolved))
    return every - by_name.total() + max(by_name.values(), default=0)


def expand_nested(resolved: Json, outer: tuple[str, ...] = ()) -> Json:
    """Return a resolved recipe in which each nested recipe is expanded under `inside`."""
    expanded = deepcopy(resolved)
    for call in model_calls(expanded):
        if nested := _nested(call, outer):
            name, recipe = nested
            limit = {"max_tokens": call["max_tokens"]} if call.get("max_tokens") else {}
            inner = with_context(recipe.resolved(), limit)
            call["inside"] = expand_nested(inner, (*outer, name))
    return expanded


def _call_count(call: Json, outer: tuple[str, ...]) -> int:
    """Return how often a call is made, times the calls of the recipe that it names."""
    times = int(call.get("asks", 1))
    if nested := _nested(call, outer):
        name, recipe = nested
        times *= max_calls(recipe, (*outer, name))
    return times


def _nested(call: Json, outer: tuple[str, ...]) -> tuple[str, Recipe] | None:
    """Return the nested recipe; what is wrong with it is reported when it runs."""
    provider, name = split(call["model"])
    if provider != "moa" or name in outer:
        return None
    try:
        return name, load_recipe(name)
    except MoaError:
        return None
