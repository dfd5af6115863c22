"""Run one turn of a graph as a stream of events: finished seats, text of the answer, the end."""

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
from moagraph.server.message_format import finish_reason, tool_call_deltas, tool_calls
from moagraph.server.protocol_errors import ApiError, upstream_error
from moagraph.threads.runner import Graph


@dataclass(frozen=True)
class SeatAnswered:
    """A seat has answered or failed.

    `done` of the layer's `total` seats are finished; `usable` answers exist in the turn so far.
    """

    layer: int
    seat: str
    model: str
    ok: bool
    done: int
    total: int
    usable: int


@dataclass(frozen=True)
class AnswerChunk:
    """A part of the answer: text, or parts of tool calls in OpenAI's form."""

    text: str
    tool_calls: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class TurnFinished:
    """The turn is over: its answer, why the answer ends, and the records of every call."""

    message: AIMessage
    finish_reason: str
    state: Json

    @property
    def usage(self) -> Json:
        """The tokens of all calls, as chat completions report them."""
        total = total_usage(call_records(self.state))
        prompt, completion = total["input_tokens"], total["output_tokens"]
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }


TurnEvent: TypeAlias = SeatAnswered | AnswerChunk | TurnFinished


@dataclass(frozen=True)
class TurnRequest:
    """A graph with its input, and whether the answer is streamed."""

    graph: Graph
    recipe: Recipe
    input: Any
    context: Context
    config: Any
    stream: bool


async def stream_turn(request: TurnRequest) -> AsyncGenerator[TurnEvent]:
    """Run the turn; closing the generator early cancels every call under way.

    Raises:
        ApiError: The run failed, or the answer broke off after a part of it was sent.
    """
    state: Json = {"layers": {}, "steps": {}}
    modes: list[StreamMode] = ["updates", "messages"] if request.stream else ["updates"]
    answer: AIMessage | None = None
    streamed_id: str | None = None
    ONLY.set("answer")
    parts: Any = request.graph.astream(
        request.input, request.config, context=request.context, stream_mode=modes
    )
    try:
        async with aclosing(parts):
            async for mode, data in parts:
                if mode == "updates":
                    answer = _merge_update(data, state) or answer
                    for event in _finished_seats(data, state, request.recipe):
                        yield event
                elif chunk := _answer_chunk(*data):
                    streamed_id = _check_same_message(streamed_id, data[0].id)
                    yield chunk
    except StepFailed as error:
        answer = _withheld_answer(error, state)
    except RunError as error:
        raise upstream_error(error, state) from error
    if answer is None:
        raise RuntimeError("the graph ended without an answer")
    if request.stream and streamed_id is None and answer.text:
        yield AnswerChunk(answer.text)
    yield TurnFinished(answer, finish_reason(answer), {**state, "messages": [answer]})


def _merge_update(update: Mapping[str, Any], state: Json) -> AIMessage | None:
    """Merge what the nodes wrote into the state; return the answer if it is among it."""
    answer = None
    for _, written in _node_writes(update):
        state["layers"] = merge_layers(state["layers"], [written.get("layers", {})])
        state["steps"] = merge_keys(state["steps"], [written.get("steps", {})])
        for message in written.get("messages", []):
            answer = message
    return answer


def _finished_seats(
    update: Mapping[str, Any], state: Json, recipe: Recipe
) -> Iterator[SeatAnswered]:
    usable = sum(p["ok"] for seats in state["layers"].values() for p in seats.values())
    for _, written in _node_writes(update):
        for layer, seats in written.get("layers", {}).items():
            done = len(state["layers"][layer])
            total = len(recipe.layers[int(layer) - 1].proposers)
            for seat, proposal in seats.items():
                model, ok = proposal["model"], proposal["ok"]
                yield SeatAnswered(int(layer), seat, model, ok, done, total, usable)


def _node_writes(update: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The writes of each node but `begin`, which only clears the last turn's records."""
    for node, written in update.items():
        if node != "begin" and isinstance(written, Mapping):
            yield node, written


def _answer_chunk(message: BaseMessage, metadata: Mapping[str, Any]) -> AnswerChunk | None:
    """The chunk to send, if the node is the one that writes the answer."""
    if metadata.get("role") != "answer" or not isinstance(message, AIMessage):
        return None
    if isinstance(message, AIMessageChunk):
        calls = tool_call_deltas(message)
    else:
        calls = tool_calls(message)
    return AnswerChunk(message.text, calls) if message.text or calls else None


def _check_same_message(streamed: str | None, current: str | None) -> str | None:
    """Refuse a second attempt at the answer: the text of the first is already sent."""
    if streamed is not None and current != streamed:
        raise ApiError(502, "the last step's model broke off in the middle of its answer")
    return current


def _withheld_answer(error: StepFailed, state: Json) -> AIMessage:
    """An empty answer where a content filter withheld it; any other failure is raised."""
    if not (error.record and error.record.get("finish") == "content_filter"):
        raise upstream_error(error, state) from error
    state["steps"] = merge_keys(state["steps"], [{"answer": error.record}])
    return AIMessage("", response_metadata={"finish_reason": "content_filter"})
