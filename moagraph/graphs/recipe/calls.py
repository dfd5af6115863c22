"""The calls that a recipe makes, as the providers of its models take them."""

from collections.abc import Iterator
from pathlib import Path

from moagraph.graphs.recipe.load import load_recipe, recipe_file
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.state import model_calls


def own_calls(recipe: Recipe) -> Iterator[Call]:
    """Every call that the recipe itself makes, the substitutes of each behind it."""
    for settings in model_calls(recipe.resolved()):
        fields = {key: settings[key] for key in settings if key in Call.model_fields}
        yield from (call := Call.model_validate(fields), *call.substitutes)


def every_call(recipe: Recipe, visited: set[Path] | None = None) -> Iterator[Call]:
    """Every call of the recipe and of the recipes in its seats, each file once."""
    visited = set() if visited is None else visited
    for call in own_calls(recipe):
        yield call
        provider, name = split(call.model)
        if provider == "moa" and (file := recipe_file(name).resolve()) not in visited:
            visited.add(file)
            yield from every_call(load_recipe(name), visited)
