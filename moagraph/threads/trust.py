"""What the recipes of a thread reach, and a person's approval that the thread may run here."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Overwrite, Send

from moagraph.graphs.compile.thread_trust import Saver, ThreadTrust, write_trust
from moagraph.graphs.recipe.load import recipe_from_state
from moagraph.graphs.recipe.resources import in_order, resources_of
from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.providers import is_known
from moagraph.nodes.resources import ADDRESS, RECIPE, VAULT, Resource
from moagraph.nodes.state import Json

# Where a checkpoint's metadata says which recipe a turn was begun with.
REQUEST = "asked"
RECIPE_CHANNEL, OVERWRITE = "recipe", "__overwrite__"

Entry = tuple[Mapping[str, Any], Checkpoint, Mapping[str, list[tuple[str, Any]]]]


def resources_in(entries: Iterable[Entry]) -> list[Resource]:
    """What the recipes anywhere in an exported thread name; ValueError for a recipe that is none.

    A run takes up a recipe that a checkpoint holds, and one that a task wrote behind it.
    """
    resources: list[Resource] = []
    for metadata, checkpoint, tasks in entries:
        resources += _asked_for(metadata)
        values = [*checkpoint["channel_values"].items(), *_writes(tasks)]
        for channel, value in values:
            if _sends(value):
                raise ValueError("it sends a node a state of its own, which no export holds")
            if channel == RECIPE_CHANNEL:
                resources += _of_state(_unwrapped(value))
    return in_order(resources)


def of_unknown_origin(recipe: Json | None) -> ThreadTrust:
    """How far to trust a thread of which nothing says where it is from: by its recipe alone."""
    try:
        resources = in_order(_of_state(recipe)) if recipe else []
    except (MoaError, ValueError) as error:
        return ThreadTrust(imported=True, trusted=False, doubt=f"its recipe is no recipe: {error}")
    foreign = [
        resource.name
        for resource in resources
        if resource.kind == ADDRESS and not is_known(resource.name)
    ]
    if not foreign:
        return ThreadTrust()
    doubt = f"its recipe names {foreign[0]!r}, which nothing on this machine does"
    return ThreadTrust(imported=True, trusted=False, resources=tuple(resources), doubt=doubt)


async def approve(threads: Saver, thread_id: str, trust: ThreadTrust) -> ThreadTrust:
    """Record that the thread may run."""
    approved = replace(trust, trusted=True, doubt="")
    await asyncio.to_thread(write_trust, threads, thread_id, approved)
    return approved


def _of_state(recipe: Any) -> Iterator[Resource]:
    """What a recipe names as a state holds it: with what its run has added."""
    if recipe == {}:  # the channel before its first write
        return
    if not isinstance(recipe, dict):
        raise ValueError("its recipe is no table")
    yield from resources_of(recipe_from_state(recipe, read_prompts=False))
    if vault := recipe.get("vault"):
        yield Resource(VAULT, str(vault), "recipe.vault")


def _asked_for(metadata: Mapping[str, Any]) -> Iterator[Resource]:
    """The recipe by whose name a turn was begun: one that is cut off at once reads it again."""
    if REQUEST not in metadata:
        return
    request = json.loads(metadata[REQUEST])
    layers = request["pause_after"]
    if not isinstance(request["recipe"], str) or not all(type(number) is int for number in layers):
        raise TypeError(f"`{REQUEST}` is no recipe and its pauses")
    yield Resource(RECIPE, request["recipe"], "asked for by name")


def _writes(tasks: Mapping[str, list[tuple[str, Any]]]) -> Iterator[tuple[str, Any]]:
    for writes in tasks.values():
        yield from writes


def _unwrapped(value: Any) -> Any:
    """The value behind the engine's marks of a snapshot and of a write that replaces.

    Exactly as the engine reads them: else a mark could hide one recipe behind another.
    """
    while isinstance(value, _DeltaSnapshot | Overwrite):
        value = value.value
    if isinstance(value, dict) and [*value] == [OVERWRITE]:
        return value[OVERWRITE]
    if isinstance(value, dict) and value.get("type") == OVERWRITE and "value" in value:
        return value["value"]
    return value


def _sends(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_sends, value))
    return isinstance(value, Send)
