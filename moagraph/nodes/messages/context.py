"""The conversation as a node receives it, after the steps before the first layer."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from moagraph.nodes.messages.fence import boundary, clean_for_fence
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.prompts import fill, read


def conversation_of(view: NodeView) -> list[AnyMessage]:
    """Return the conversation up to the question, as a preparation step may have rewritten it.

    A step that only annotates runs after the answer, which is not part of the question.
    """
    messages = view.messages
    if messages and isinstance(messages[-1], AIMessage):
        messages = messages[:-1]
    for record in preparation_records(view):
        if "question" in record:
            messages = _with_question(messages, record["question"])
    return messages


def conversation_with_passages(view: NodeView) -> list[AnyMessage]:
    """Return the conversation after the notices and passages that earlier steps prepared."""
    messages = conversation_of(view)
    records = preparation_records(view)
    notices = [str(record["notice"]) for record in records if "notice" in record]
    passages = [text for record in records if (text := _passages(view, record))]
    context = [*notices, *passages]
    if not context:
        return messages
    first = messages[0]
    if isinstance(first, SystemMessage):
        return [SystemMessage("\n\n".join([first.text, *context])), *messages[1:]]
    return [SystemMessage("\n\n".join(context)), *messages]


def preparation_records(view: NodeView) -> list[Json]:
    """Return the records of the steps before the first layer, in order."""
    return [view.records[node] for node in view.spec.preparation if node in view.records]


def _with_question(messages: list[AnyMessage], question: object) -> list[AnyMessage]:
    last = max(i for i, message in enumerate(messages) if isinstance(message, HumanMessage))
    rewritten = messages[last].model_copy(update={"content": question})
    return [*messages[:last], rewritten, *messages[last + 1 :]]


def _passages(view: NodeView, record: Json) -> str:
    """Return the passages of one step as text: all of them, or the seat's own share."""
    passages = _share(record, view.spec.seat)
    if not passages:
        return ""
    marker, name = boundary(view.recipe["salt"], view.spec.name), record["prompt"]
    prompt = view.recipe["prompts"].get(name) or read(name)
    text = "".join(_fence_passage(passage, marker) for passage in passages)
    return fill(prompt, name, boundary=marker, passages=text)


def _share(record: Json, seat: str) -> list[Mapping[str, Any]]:
    passages: list[Mapping[str, Any]] = record.get("passages", [])
    shards = record.get("shards")
    if not shards or not seat:
        return passages
    own = shards[(int(seat) - 1) % len(shards)]
    return [passage for passage in passages if passage["id"] in own]


def _fence_passage(passage: Mapping[str, Any], marker: str) -> str:
    source = " ".join(clean_for_fence(passage["source"], marker).split())
    text = clean_for_fence(passage["text"], marker)
    return f"\n[{passage['id']}] {source}\n[begin {marker}]\n{text}\n[end {marker}]"
