"""What a stored state says: how it stands, what was asked, who was sent what."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, convert_to_openai_messages
from langgraph.types import StateSnapshot

from moagraph.graphs.compile.layout import calling_nodes
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.hooks import restore_originals
from moagraph.nodes.messages.build import MessageBuilder
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json, State, merge_keys, merge_layers
from moagraph.threads.result import Status

NOTHING: Json = {"layers": {}, "steps": {}}


def status_of(state: StateSnapshot) -> Status:
    """How the turn stands; whether one that was stopped runs again, its lock would tell."""
    if not state.tasks:
        return "done"
    if state.interrupts:
        return "paused"
    return "failed" if any(task.error for task in state.tasks) else "stopped"


def values_of(state: StateSnapshot) -> Json:
    """The turn's own values: none of the turn before, and all that was written when it ended."""
    values: Json = {"messages": [], **NOTHING, **state.values}
    if {"begin", "__start__"} & {task.name for task in state.tasks}:
        return values | NOTHING  # what `begin` may have written empties all of it
    updates = [task.result for task in state.tasks if isinstance(task.result, Mapping)]
    layers = merge_layers(values["layers"], [update.get("layers", {}) for update in updates])
    steps = merge_keys(values["steps"], [update.get("steps", {}) for update in updates])
    return values | {"layers": layers, "steps": steps}


def question_of(values: Json) -> str:
    """What the user asked last, as it is kept: a private one with placeholders."""
    return str(question.text) if (question := _last_question(values)) else ""


def original_question(values: Json) -> str:
    """The same as the user asked it."""
    return str(restore_originals(question).text) if (question := _last_question(values)) else ""


def _last_question(values: Json) -> HumanMessage | None:
    questions = [message for message in values["messages"] if isinstance(message, HumanMessage)]
    return questions[-1] if questions else None


def error_of(state: StateSnapshot) -> str | None:
    """Why the turn failed; the engine keeps an error as Python writes it."""
    error = next((str(task.error) for task in state.tasks if task.error), None)
    written = re.fullmatch(r"\w+\((.*)\)", error or "", re.DOTALL)
    try:
        return str(ast.literal_eval(written[1])) if written else error
    except (ValueError, SyntaxError):
        return error


def seconds_of(values: Json) -> float:
    """How long the models took, layer after layer: no wait for a person counts."""
    layers = [seats.values() for seats in values["layers"].values()]
    slowest = [max((record["seconds"] for record in seats), default=0.0) for seats in layers]
    return float(sum(slowest) + sum(map(_step_seconds, values["steps"].values())))


def _step_seconds(step: Json) -> float:
    """A step's own call; of several, which run side by side, the slowest."""
    parallel = (call["seconds"] for call in step.get("calls", {}).values())
    return float(step["seconds"] if "seconds" in step else max(parallel, default=0.0))


def sent_of(values: Json, recipe: Recipe) -> Iterator[tuple[str, list[Json]]]:
    """What each node that asked a model sent it, as OpenAI's protocol writes messages."""
    question = _question_messages(values["messages"])
    state = cast(State, {**values, "messages": question})
    for spec in calling_nodes(recipe):
        seats = values["layers"].get(str(spec.layer), {})
        record = seats.get(spec.seat) if spec.seat else values["steps"].get(spec.name, {})
        if record and record.get("attempts"):
            yield spec.name, _sent(NodeView(state, spec), record)
        for label, call in (record or {}).get("calls", {}).items():
            if "told" in call:
                yield f"{spec.name}.{label}", _sent(NodeView(state, spec), call)


def _sent(view: NodeView, record: Json) -> list[Json]:
    stored = record.get("told")
    builder = MessageBuilder.from_record(view, stored) if stored else MessageBuilder(view)
    return convert_to_openai_messages(builder.shortened_messages(record.get("shortened", {})))


def _question_messages(messages: list[AnyMessage]) -> list[AnyMessage]:
    """The conversation up to the question, without the answer that the turn gave to it."""
    return messages[:-1] if messages and isinstance(messages[-1], AIMessage) else messages
