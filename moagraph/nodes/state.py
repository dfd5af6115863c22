"""What flows through the graph: plain JSON and LangChain messages, so that any saver keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """What one seat answered, or why it did not."""

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
    logprob: NotRequired[float]  # of a token, on average, where it was asked for
    order: NotRequired[list[str]]  # which seat was its reference 1, 2 …
    shortened: NotRequired[dict[str, int]]  # characters left out of which seat's answer


def merge_messages(messages: list[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """Append the written messages, replace those of the same id, take out those removed.

    The engine's own reducer gives a text a new id each time that the writes are read again.
    """
    merged = {message.id: message for message in convert_to_messages(messages or [])}
    for write in writes:
        for said in convert_to_messages(write if isinstance(write, list) else [write]):
            _merge(merged, said)
    return cast(list[AnyMessage], list(merged.values()))


def _merge(merged: dict[str | None, BaseMessage], said: BaseMessage) -> None:
    message = message_chunk_to_message(said) if isinstance(said, BaseMessageChunk) else said
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
    """Put the written seats into their layers; a seat written as None is taken out."""
    merged = {layer: dict(seats) for layer, seats in layers.items()}
    for write in writes:
        for layer, seats in write.items():
            merged.setdefault(layer, {}).update(seats)
    written = {layer for write in writes for layer in write}
    for layer in written:  # sorted once, not for each write: a layer has a write for each seat
        merged[layer] = merge_keys(merged[layer], [])
    return dict(sorted(merged.items(), key=lambda item: int(item[0])))


def merge_keys(known: Json, writes: Sequence[Json]) -> Json:
    """Put the written keys over the known ones; a key written as None is taken out."""
    merged = reduce(lambda left, right: {**left, **right}, writes, known)
    return {key: value for key, value in sorted(merged.items()) if value is not None}


def replace(_: Json, writes: Sequence[Json]) -> Json:
    """Keep what was written last."""
    return writes[-1]


class Input(TypedDict):
    """What a caller gives: the conversation."""

    messages: Annotated[list[AnyMessage], DeltaChannel(merge_messages)]


class Output(Input):
    """What a caller gets: the conversation with its answer, and how it came about."""

    layers: Annotated[dict[str, Any], DeltaChannel(merge_layers)]
    recipe: Annotated[dict[str, Any], DeltaChannel(replace)]


class State(Output):
    """What the nodes share; `steps` holds one record for each join and step, by node."""

    steps: Annotated[dict[str, Any], DeltaChannel(merge_keys)]


@dataclass(frozen=True)
class Place:
    """Where a node stands: its name, its own settings in the recipe, and what it reads.

    `last`: what it leaves is the turn's answer; `final`: it is always the last to run. A step of
    several nodes has a `round` for each, and the `earlier` ones before it; `gates` are nodes of
    layers above that may have settled the turn; `heard` is what the seats of its layer read,
    and `ahead` the nodes ahead of the first layer that have run before it.
    """

    node: str
    path: tuple[str | int, ...] = ()
    layer: int = 0
    seat: str = ""
    reads: tuple[int, tuple[str, ...]] | None = None
    last: bool = False
    final: bool = False
    kind: str = ""
    round: int = 0
    earlier: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    heard: tuple[int, tuple[str, ...]] | None = None
    ahead: tuple[str, ...] = ()


def settings(state: State, place: Place) -> Json:
    """The node's own settings, as the recipe of this turn has them."""
    found: Any = state["recipe"]
    for key in place.path:
        found = found[key]
    return cast(Json, found)


def seats(state: State, layer: int) -> dict[str, Proposal]:
    """A layer's proposals by seat, in seat order."""
    return cast(dict[str, Proposal], state.get("layers", {}).get(str(layer), {}))


def answers(state: State, place: Place) -> dict[str, str]:
    """What the node reads: the layer's usable answers by seat, as its steps have left them."""
    if place.reads is None:
        return {}
    layer, chain = place.reads
    for gate in place.gates:
        if settled(state, gate):
            return _left({gate: state["steps"][gate]["text"]}, state, chain)
    while "passes" in (joined := state["steps"].get(chain[0], {})):
        if joined["passes"] is None:
            return {}
        layer, chain = joined["passes"]
    texts = {seat: p["text"] for seat, p in sorted(seats(state, layer).items()) if p["ok"]}
    return _left(texts, state, chain)


def _left(texts: dict[str, str], state: State, chain: Sequence[str]) -> dict[str, str]:
    """What the steps leave of the texts: those they kept, or others in their place."""
    for node in chain:
        record = state["steps"].get(node, {})
        if "kept" in record:
            texts = {seat: texts[seat] for seat in record["kept"] if seat in texts}
        if "texts" in record:
            texts = record["texts"]
        if "text" in record:
            texts = {node: record["text"]}
    return texts


def settled(state: State, node: str) -> bool:
    """Whether the turn needs nothing more than what this node has left."""
    return bool(state["steps"].get(node, {}).get("settled"))


def asked(record: Json) -> list[Json]:
    """The calls that a step's record tells of: its own, or each of those it made."""
    own = [record] if "model" in record else []
    return [*own, *record.get("calls", {}).values()]


def passed(state: State, layer: int) -> bool:
    """Whether the layer was left out, so that the one before it is read in its place."""
    records = seats(state, layer).values()
    return all(record["kind"] == "skipped" and not record["edited"] for record in records)


def calls(recipe: Json) -> list[Json]:
    """Everything in a resolved recipe that asks a model: seats first, then steps, by layer."""
    return [call for call in parts(recipe) if "model" in call]


def parts(recipe: Json) -> list[Json]:
    """Every step and seat of a resolved recipe, and the judges of its steps."""
    layers = [part for one in recipe["layers"] for part in (*one["proposers"], *one["aggregate"])]
    said = [*recipe.get("before", ()), *layers, *recipe.get("after", ())]
    return [*said, *(judge for step in said for judge in step.get("judges", ()))]


def widest(recipe: Json) -> int:
    """The most seats that answer at once."""
    return max(len(layer["proposers"]) for layer in recipe["layers"])


def passed_over(state: State, layer: int) -> dict[str, str]:
    """The seats of the layer that a router has not chosen, each with the router's node."""
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


def sample(state: State, place: Place) -> str | None:
    """Which of a model's samples the place stands for in the cache; None where none is used."""
    return f"{place.layer}.{place.seat or place.node}" if state["recipe"].get("cache") else None
