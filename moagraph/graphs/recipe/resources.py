"""All that a recipe can reach outside of itself, for a person who has to decide whether it may."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from moagraph.graphs.recipe.calls import own_calls
from moagraph.graphs.recipe.load import inspect_recipe, recipe_file
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import MoaError, UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import PACKAGES, PROVIDERS, destination, key_variable
from moagraph.nodes.models.recorded import VARIABLE
from moagraph.nodes.resources import (
    ADDRESS,
    CODE,
    DATABASE,
    FILES,
    GRAPH,
    KEY,
    MODEL,
    PROMPT,
    RECIPE,
    TOOL,
    VAULT,
    WEIGHTS,
    Resource,
    declared,
)

ORDER = (ADDRESS, KEY, CODE, FILES, DATABASE, GRAPH, PROMPT, VAULT, TOOL, RECIPE, WEIGHTS, MODEL)
# Providers of which a model's name is itself something on this machine, or fetched to it.
MODEL_KINDS = {"local": WEIGHTS, "moa": RECIPE, "recorded": FILES}


def resources_of(recipe: Recipe) -> list[Resource]:
    """Return what the recipe and the recipes in its seats name, each resource once."""
    return in_order(_resources(recipe, set()))


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return each resource once, sorted by its kind."""
    unique = {(item.kind, item.name): item for item in reversed(list(resources))}
    # A kind that another package has defined comes last.
    return sorted(reversed(unique.values()), key=lambda item: (*ORDER, item.kind).index(item.kind))


def _resources(recipe: Recipe, visited: set[Path]) -> Iterator[Resource]:
    for resource in declared(recipe):
        if resource.kind == MODEL:
            yield from _named_by_model(resource, visited)
        else:
            yield resource
    for call in own_calls(recipe):
        yield from _asked_by(call)
    for step in (*recipe.before, *recipe.steps):
        package = type(step).__module__.partition(".")[0]
        if package != "moagraph":  # it may do more than its settings declare
            yield Resource(CODE, f"a step of the package {package}", f"step {step.step}")


def _asked_by(call: Call) -> Iterator[Resource]:
    """The server that a call goes to, and the key that goes with it unasked."""
    provider, _ = split(call.model)
    variable, _ = key_variable(call)
    with suppress(UsageError):  # an odd address in a variable of this machine
        if where := destination(call):
            yield Resource(ADDRESS, where, call.model)
    if variable and not call.api_key_env:
        yield Resource(KEY, variable, call.model)
    if call.base_url or provider in {*PROVIDERS, *MODEL_KINDS}:
        return
    package = PACKAGES.get(provider)
    if package:
        yield Resource(KEY, f"what {package} reads", call.model)
    else:
        yield Resource(MODEL, call.model, call.model)


def _named_by_model(model: Resource, visited: set[Path]) -> Iterator[Resource]:
    """What a model's name stands for, where that is more than a name for its server."""
    provider, name = split(model.name)
    kind = MODEL_KINDS.get(provider)
    if kind == FILES:
        yield Resource(FILES, name.partition("@")[2] or f"what {VARIABLE} names", model.where)
    elif kind:
        yield Resource(kind, name, model.where)
    if kind == RECIPE:
        yield from _nested(name, model, visited)


def _nested(name: str, model: Resource, visited: set[Path]) -> Iterator[Resource]:
    """What a recipe in a seat names; one that cannot be read now says so when it is run."""
    try:
        file = recipe_file(name).resolve()
        if file in visited:
            return
        visited.add(file)
        inner = inspect_recipe(str(file))
    except (MoaError, OSError, ValueError, RecursionError):
        return
    for resource in _resources(inner, visited):
        yield replace(resource, where=f"{model.name}: {resource.where}")
