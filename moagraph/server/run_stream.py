"""One turn of a graph as it is told to a client: who is done, what is said, and the end of it."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langgraph.types import StreamMode

from moagraph.graphs.recipe.schema import Recipe
from moagraph.graphs.usage import call_records, total_usage
from moagraph.nodes.context import Context
from moagraph.nodes.errors import RunError, StepFailed
from moagraph.nodes.models.streaming import ONLY
from moagraph.nodes.state import Json, merge_keys, merge_layers
from moagraph.server.protocol_errors import ApiError, upstream
from moagraph.threads.runner import Graph


@dataclass(frozen=True)
class Seat:
    """A seat is done; `usable` counts the answers of the turn so far."""

    layer: int
    seat: str
    model: str
    ok: bool
    done: int
    of: int
    usable: int


@dataclass(frozen=True)
class Piece:
    """The last step said something, or called a tool."""

    text: str
    tools: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class End:
    """The turn is over: its answer, why it ends there, and what every call left behind."""

    message: AIMessage
    finish: str
    state: Json

    @property
    def usage(self) -> Json:
        """The tokens of all calls, in OpenAI's words."""
        said = total_usage(call_records(self.state))
        told, answered = said["input_tokens"], said["output_tokens"]
        return {
            "prompt_tokens": told,
            "completion_tokens": answered,
            "total_tokens": told + answered,
        }


Event: TypeAlias = Seat | Piece | End


@dataclass(frozen=True)
class Turn:
    """What is run, for whom, and whether anybody hears it as it is said."""

    graph: Graph
    recipe: Recipe
    given: Any
    context: Context
    config: Any
    stream: bool


async def drive(turn: Turn) -> AsyncGenerator[Event]:
    """Run the turn; closed early, it ends every call that is under way."""
    state: Json = {"layers": {}, "steps": {}}
    modes: list[StreamMode] = ["updates", "messages"] if turn.stream else ["updates"]
    answer: AIMessage | None = None
    speaker: str | None = None
    ONLY.set("answer")
    parts: Any = turn.graph.astream(
        turn.given, turn.config, context=turn.context, stream_mode=modes
    )
    try:
        async with aclosing(parts):
            async for mode, data in parts:
                if mode == "updates":
                    answer = _take(data, state) or answer
                    for seat in _seats(data, state, turn.recipe):
                        yield seat
                elif piece := _piece(*data):
                    speaker = _same(speaker, data[0].id)
                    yield piece
    except StepFailed as failed:
        if not (failed.record and failed.record.get("finish") == "content_filter"):
            raise upstream(failed, state) from failed
        state["steps"] = merge_keys(state["steps"], [{"answer": failed.record}])
        answer = AIMessage("", response_metadata={"finish_reason": "content_filter"})
    except RunError as failed:
        raise upstream(failed, state) from failed
    if answer is None:
        raise RuntimeError("the graph ended without an answer")
    if turn.stream and speaker is None and answer.text:
        yield Piece(answer.text, [])
    yield End(answer, finish(answer), {**state, "messages": [answer]})


def finish(message: AIMessage) -> str:
    """Why the answer ends: one of OpenAI's four words."""
    said = str(message.response_metadata.get("finish_reason", "stop"))
    if said in ("length", "content_filter"):
        return said
    return "tool_calls" if message.tool_calls else "stop"


def _take(update: Mapping[str, Any], state: Json) -> AIMessage | None:
    """Merge what the nodes wrote; the answer, where it is among it."""
    answer = None
    for node, written in update.items():
        if node != "begin" and isinstance(written, Mapping):
            state["layers"] = merge_layers(state["layers"], [written.get("layers", {})])
            state["steps"] = merge_keys(state["steps"], [written.get("steps", {})])
            for message in written.get("messages", []):
                answer = message
    return answer


def _seats(update: Mapping[str, Any], state: Json, recipe: Recipe) -> Iterator[Seat]:
    usable = sum(p["ok"] for seats in state["layers"].values() for p in seats.values())
    for node, written in update.items():
        if node == "begin" or not isinstance(written, Mapping):
            continue
        for layer, seats in written.get("layers", {}).items():
            done, of = len(state["layers"][layer]), len(recipe.layers[int(layer) - 1].proposers)
            for seat, said in seats.items():
                yield Seat(int(layer), seat, said["model"], said["ok"], done, of, usable)


def _piece(message: BaseMessage, place: Mapping[str, Any]) -> Piece | None:
    """What the last step says to the client; other nodes talk among themselves."""
    if place.get("role") != "answer" or not isinstance(message, AIMessage):
        return None
    tools = _chunks(message) if isinstance(message, AIMessageChunk) else calls(message)
    return Piece(message.text, tools) if message.text or tools else None


def _chunks(message: AIMessageChunk) -> list[Json]:
    """Parts of calls as they come: the first of each has the name, the others more arguments."""
    told = []
    for part in message.tool_call_chunks:
        function = {"name": part["name"]} if part["name"] else {}
        call = {"id": part["id"], "type": "function"} if part["id"] else {}
        said = {**function, "arguments": part["args"] or ""}
        told.append({"index": part["index"] or 0, **call, "function": said})
    return told


def calls(message: AIMessage) -> list[Json]:
    """Whole calls in OpenAI's form."""
    return [
        {
            "index": index,
            "id": call["id"],
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["args"], ensure_ascii=False),
            },
        }
        for index, call in enumerate(message.tool_calls)
    ]


def _same(speaker: str | None, now: str | None) -> str | None:
    """A call that breaks off is tried again, but what was said cannot be taken back."""
    if speaker is not None and now != speaker:
        raise ApiError(502, "the last step's model broke off in the middle of its answer")
    return now
