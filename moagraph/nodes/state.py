"""The graph's state: plain JSON and LangChain messages, so that any checkpointer can store it."""

from collections.abc import Sequence
from functools import reduce
from typing import Annotated, Any, NotRequired, TypeAlias, cast
from uuid import NAMESPACE_URL, uuid5

from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    BaseMessageChunk,
    RemoveMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langgraph.channels import DeltaChannel
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from typing_extensions import TypedDict

Json: TypeAlias = dict[str, Any]


class Proposal(TypedDict):
    """A seat's answer, or why there is none."""

    model: str
    answered_by: str | None
    ok: bool
    kind: str
    text: str
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    seconds: float
    attempts: int
    cost_usd: float | None
    cached: bool
    edited: bool
    logprob: NotRequired[float]  # mean of its tokens, if requested
    order: NotRequired[list[str]]  # the seats of its references 1, 2 …
    shortened: NotRequired[dict[str, int]]  # characters removed from each seat's answer
    estimated: NotRequired[bool]  # the provider did not report its tokens
    warnings: NotRequired[list[str]]  # why a usable answer may not be complete


def merge_messages(messages: list[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """Append new messages, replace those with a known id, and remove those marked as removed.

    LangGraph's own reducer would give a message a new id each time the writes are read again.
    """
    merged = {message.id: message for message in convert_to_messages(messages or [])}
    for write in writes:
        for message in convert_to_messages(write if isinstance(write, list) else [write]):
            _merge_message(merged, message)
    return cast(list[AnyMessage], list(merged.values()))


def _merge_message(merged: dict[str | None, BaseMessage], new: BaseMessage) -> None:
    message = message_chunk_to_message(new) if isinstance(new, BaseMessageChunk) else new
    if isinstance(message, RemoveMessage):
        if message.id == REMOVE_ALL_MESSAGES:
            merged.clear()
        merged.pop(message.id, None)
        return
    if not message.id:
        name = f"{len(merged)}|{message.type}|{message.text!a}"
        message = message.model_copy(update={"id": str(uuid5(NAMESPACE_URL, name))})
    merged[message.id] = message


def merge_layers(layers: Json, writes: Sequence[Json]) -> Json:
    """Put the written seats into their layers; a seat written as None is removed."""
    merged = {layer: dict(seats) for layer, seats in layers.items()}
    for write in writes:
        for layer, seats in write.items():
            merged.setdefault(layer, {}).update(seats)
    written = {layer for write in writes for layer in write}
    for layer in written:  # sorted once, not for each write: a layer has a write for each seat
        merged[layer] = merge_keys(merged[layer], [])
    return dict(sorted(merged.items(), key=lambda item: int(item[0])))


def merge_keys(current: Json, writes: Sequence[Json]) -> Json:
    """Update the current keys with the written ones; a key written as None is removed."""
    merged = reduce(lambda left, right: {**left, **right}, writes, current)
    return {key: value for key, value in sorted(merged.items()) if value is not None}


def replace(_: Json, writes: Sequence[Json]) -> Json:
    """Keep only the last write."""
    return writes[-1]


class Input(TypedDict):
    """The graph's input: the conversation."""

    messages: Annotated[list[AnyMessage], DeltaChannel(merge_messages)]


class Output(Input):
    """The graph's output: the conversation with its answer, the layers, and the recipe."""

    layers: Annotated[dict[str, Any], DeltaChannel(merge_layers)]
    recipe: Annotated[dict[str, Any], DeltaChannel(replace)]


class State(Output):
    """What the nodes share; `steps` holds one record for each join and step, by node name."""

    steps: Annotated[dict[str, Any], DeltaChannel(merge_keys)]


def proposals_of(state: State, layer: int) -> dict[str, Proposal]:
    """Return a layer's proposals by seat, in seat order."""
    return cast(dict[str, Proposal], state.get("layers", {}).get(str(layer), {}))


def is_settled(state: State, node: str) -> bool:
    """Tell whether the turn needs nothing more than what this node has written."""
    return bool(state["steps"].get(node, {}).get("settled"))


def calls_of_record(record: Json) -> list[Json]:
    """Return the call records in a step's record: its own, or each of those it made."""
    own = [record] if "model" in record else []
    return [*own, *record.get("calls", {}).values()]


def model_calls(recipe: Json) -> list[Json]:
    """Return each part of a resolved recipe that calls a model: by layer, seats before steps."""
    return [part for part in recipe_parts(recipe) if "model" in part]


def recipe_parts(recipe: Json) -> list[Json]:
    """Return every seat and step of a resolved recipe, and the judges of its steps."""
    layers = [part for row in recipe["layers"] for part in (*row["proposers"], *row["aggregate"])]
    parts = [*recipe.get("before", ()), *layers, *recipe.get("after", ())]
    return [*parts, *(judge for part in parts for judge in part.get("judges", ()))]


def widest_layer(recipe: Json) -> int:
    """Return the most seats that answer at once."""
    return max(len(layer["proposers"]) for layer in recipe["layers"])


def unrouted_seats(state: State, layer: int) -> dict[str, str]:
    """Return the seats of the layer that a router has not chosen, each with the router's node."""
    if layer != 1:
        return {}
    proposers = state["recipe"]["layers"][0]["proposers"]
    width = max(2, len(str(len(proposers))))
    return {
        f"{number:0{width}d}": node
        for node, record in state.get("steps", {}).items()
        if "chosen" in record
        for number, seat in enumerate(proposers, 1)
        if seat.get("name") not in (None, record["chosen"])
    }
