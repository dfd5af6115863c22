"""Run a thread on, or a part of it anew: each way is a fork, and what was stays as it was.

Two rules keep every call to what was asked for. A seat that has a record is not asked; so to ask
it again is to go back to the start of its layer with that record taken out. And a layer is left
by writing as one of its own seats; so its join comes next, and nothing else.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Overwrite, StateSnapshot
from pydantic import ValidationError

from moagraph.graphs.compile.layout import early_end, lay_out_layers, lay_out_preparation
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes import node_names
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.messages.compose import check_prompt
from moagraph.nodes.policies.review import PERSON, dropped, edited
from moagraph.nodes.state import Json, proposals_of, recipe_parts, unrouted_seats
from moagraph.threads.history import Thread, compile_recipe, state_at_join

Seat = tuple[int, str]


@dataclass(frozen=True)
class Changes:
    """What a replay does to a layer before everything behind it runs."""

    edit: Mapping[Seat, str] = field(default_factory=dict)
    drop: Sequence[Seat] = ()
    again: Sequence[Seat] = ()
    put: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> set[int]:
        """The layers whose seats are named."""
        return {layer for layer, _ in (*self.edit, *self.drop, *self.again)}


def seat_of(name: str) -> Seat:
    """`2.02` and `2.2` are layer 2, seat 02."""
    match = re.fullmatch(r"([1-9]\d*)\.(\d+)", name.strip())
    if not match:
        raise UsageError(f"{name!r} is not LAYER.SEAT, such as 2.02")
    return int(match[1]), f"{int(match[2]):02d}"


async def fork(
    thread: Thread, threads: BaseCheckpointSaver[Any], from_layer: int | None, changes: Changes
) -> tuple[Thread, RunnableConfig]:
    """The thread with the changes made, and where to run on from."""
    layer = _layer(thread, from_layer, changes)
    _check_needed(thread, layer)
    _check_reach(layer, changes.put)
    at = await state_at_join(thread, layer)
    stored = at.values["recipe"]
    recipe = change_recipe(_base_recipe(thread, layer, changes), changes.put, stored["prompts"])
    graph = compile_recipe(recipe, threads)
    records = {str(layer): _records(thread, at, layer, changes)} if layer else Overwrite({})
    turn_fields = _stored_recipe(recipe, stored)
    if changes.again:
        turn_fields.pop("cache", None)  # to ask again is not to be told the same again
    update: Json = {"recipe": turn_fields, "layers": records}
    writer = node_before(recipe, layer) if changes.again or not layer else _any_seat(recipe, layer)
    config = await graph.aupdate_state(at.config, update, as_node=writer)
    state = await graph.aget_state(config)
    return Thread(graph, recipe, thread.config, state, thread.trust), config


async def without_failures(thread: Thread, layer: int) -> RunnableConfig:
    """Back to the start of a layer that failed its quorum: only failed seats will be asked."""
    proposals = proposals_of(thread.state.values, layer)  # type: ignore[arg-type]
    failed = {seat: None for seat, proposal in proposals.items() if not proposal["ok"]}
    update = {"layers": {str(layer): failed}}
    writer = node_before(thread.recipe, layer)
    return await thread.graph.aupdate_state(thread.config, update, as_node=writer)


async def pause_again(thread: Thread, node: str) -> None:
    """Pause once more at the node: what was decided there has led to nothing."""
    row = next(
        r for r in lay_out_layers(thread.recipe) if node in [spec.name for spec in r.after_seats]
    )
    earlier = [spec.name for spec in row.after_seats]
    at = earlier.index(node)
    writer = earlier[at - 1] if at else _any_seat(thread.recipe, row.number)
    config = await thread.graph.aupdate_state(thread.config, {"layers": {}}, as_node=writer)
    await thread.graph.ainvoke(None, config)


def node_before(recipe: Recipe, layer: int) -> str:
    """The node whose edges lead to the layer's seats."""
    if layer <= 1:
        earlier = lay_out_preparation(recipe)
        return earlier[-1][0].name if earlier else "begin"
    return list(lay_out_layers(recipe))[layer - 2].after_seats[-1].name


def change_recipe(settings: Json, paths: Mapping[str, str], prompts: Mapping[str, str]) -> Recipe:
    """The recipe with each PATH put to its VALUE, checked like any other."""
    for path, value in paths.items():
        _set_value(settings, path, _value(value))
    try:
        return Recipe.model_validate(settings, context={"prompts": prompts})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        config = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"--set gives no valid recipe: {config}: {first['msg']}") from error


def _layer(thread: Thread, from_layer: int | None, changes: Changes) -> int:
    """The layer whose answers stand: as told, or the one that the changes name."""
    layers = changes.layers
    if len(layers) > 1 or (layers and from_layer is not None and layers != {from_layer}):
        raise UsageError(
            "edit, drop and again change the seats of one layer, the one that is replayed from"
        )
    if from_layer is not None:
        return from_layer
    ended = early_end(thread.recipe, thread.state.values["steps"])
    last = ended[0] if ended else len(thread.recipe.layers)
    return layers.pop() if layers else min(map(_last_unchanged_layer, changes.put), default=last)


def _check_needed(thread: Thread, layer: int) -> None:
    """A layer behind one that settled the turn has no answers that could stand."""
    ended = early_end(thread.recipe, thread.state.values["steps"])
    if ended and ended[0] < layer <= len(thread.recipe.layers):
        raise UsageError(
            f"layer {layer} of thread {thread.id!r} was not needed: `{ended[1]}` settled the turn; "
            f"replay from layer {ended[0]}"
        )


def _check_reach(layer: int, paths: Iterable[str]) -> None:
    """What stands, or was filled in long ago, would be changed to no effect."""
    for path in paths:
        if path.startswith("defaults."):
            raise UsageError(
                f"--set {path!r} changes nothing: a run's seats and steps have their own settings, "
                "such as layers.2.aggregate.temperature"
            )
        if path.startswith("before."):
            raise UsageError(
                f"--set {path!r} changes nothing: what is ahead of the layers is not run again"
            )
        if path.startswith("layers.") and _last_unchanged_layer(path) < layer:
            raise UsageError(
                f"--set {path!r} changes what is before the end of layer {layer}, which stands: "
                f"replay from layer {_last_unchanged_layer(path)}"
            )


def _last_unchanged_layer(path: str) -> int:
    """The last layer that a change of this path leaves as it was."""
    match = re.match(r"layers\.(\d+)\.(\w+)", path)
    if not match:
        return 0
    after_seats = ("aggregate", "quorum", "review")
    return int(match[1]) if match[2] in after_seats else int(match[1]) - 1


def _base_recipe(thread: Thread, layer: int, changes: Changes) -> Json:
    """The thread's recipe, without a pause where a person has decided and nothing is new."""
    settings = thread.recipe.resolved()
    decided = layer and node_names.step(layer, "join") in thread.state.values["steps"]
    if decided and not changes.again:
        settings["layers"][layer - 1]["review"] = False
    return settings


def _stored_recipe(recipe: Recipe, node_before: Json) -> Json:
    """The recipe as the state keeps it: with what the turn has added, and any new prompt."""
    turn_fields = {
        key: value for key, value in node_before.items() if key not in Recipe.model_fields
    }
    settings = recipe.resolved()
    layers = {call["prompt"] for call in recipe_parts(settings) if "prompt" in call}
    new = {
        prompt: check_prompt(prompt) for prompt in sorted(layers - node_before["prompts"].keys())
    }
    return {**settings, **turn_fields, "prompts": {**node_before["prompts"], **new}}


def _records(
    thread: Thread, at: StateSnapshot, layer: int, changes: Changes
) -> dict[str, Json | None]:
    """What a person has decided since the layer came together, and the changes."""
    proposals = proposals_of(thread.state.values, layer)  # type: ignore[arg-type]
    previous = proposals_of(at.values, layer)  # type: ignore[arg-type]
    for _, seat in (*changes.edit, *changes.drop, *changes.again):
        if seat not in proposals:
            raise UnknownName(f"there is no seat {layer}.{seat}: there are {', '.join(proposals)}")
    for _, seat in changes.again:
        if seat in unrouted_seats(thread.state.values, layer):  # type: ignore[arg-type]
            raise UsageError(f"{layer}.{seat} was {proposals[seat]['error']}; nor would it be now")
        if proposals[seat]["model"] == PERSON:
            raise UsageError(f"{layer}.{seat} is a person's answer: no model can be asked again")
    records: dict[str, Json | None] = {
        seat: dict(settings)
        for seat, settings in proposals.items()
        if settings != previous.get(seat)
    }
    records |= {seat: edited(proposals[seat], text) for (_, seat), text in changes.edit.items()}
    records |= {seat: dropped(proposals[seat]) for _, seat in changes.drop}
    records |= {seat: None for _, seat in changes.again}
    return records


def _any_seat(recipe: Recipe, layer: int) -> str:
    _, node, _ = node_names.seats(layer, recipe.layers[layer - 1].proposers)[0]
    return node


def _set_value(settings: Any, path: str, value: Any) -> None:
    """Set what the path names; lists count from 1, and a list of one needs no number."""
    *parents, last = path.split(".")
    try:
        for key in parents:
            settings = _next_part(settings, key)
        if isinstance(settings, list) and len(settings) == 1 and not last.isdigit():
            settings = settings[0]
        settings[int(last) - 1 if isinstance(settings, list) else last] = value
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UsageError(
            f"--set {path!r} names nothing in the recipe; "
            "a path is such as layers.2.aggregate.model"
        ) from error


def _next_part(settings: Any, key: str) -> Any:
    if isinstance(settings, list):
        if key.isdigit() and int(key) > 0:
            return settings[int(key) - 1]
        if len(settings) == 1:
            return settings[0][key]
    return settings[key]


def _value(text: str) -> Any:
    """A number, a truth or a list as TOML writes them, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
