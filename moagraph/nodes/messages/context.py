"""The conversation as a node is given it: as the steps ahead of the first layer have left it."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from moagraph.nodes.messages.fence import boundary, plain
from moagraph.nodes.state import Json, Place, State
from moagraph.prompts import fill, read


def given(state: State, place: Place) -> list[AnyMessage]:
    """The conversation up to the question, as a step ahead has rewritten that.

    A step that only remarks on an answer runs behind it: the answer is no part of what was asked.
    """
    messages = state["messages"]
    if messages and isinstance(messages[-1], AIMessage):
        messages = messages[:-1]
    for record in ahead(state, place):
        if "question" in record:
            messages = _asking(messages, record["question"])
    return messages


def informed(state: State, place: Place) -> list[AnyMessage]:
    """The same for whoever is to answer: behind what is to be known of it: notices and passages."""
    messages = given(state, place)
    records = ahead(state, place)
    notices = [str(record["notice"]) for record in records if "notice" in record]
    found = [text for record in records if (text := _found(state, place, record))]
    found = [*notices, *found]
    if not found:
        return messages
    first = messages[0]
    if isinstance(first, SystemMessage):
        return [SystemMessage("\n\n".join([first.text, *found])), *messages[1:]]
    return [SystemMessage("\n\n".join(found)), *messages]


def ahead(state: State, place: Place) -> list[Json]:
    """What the steps ahead of the first layer have left, in the order in which they run."""
    return [state["steps"][node] for node in place.ahead if node in state["steps"]]


def _asking(messages: list[AnyMessage], question: object) -> list[AnyMessage]:
    last = max(i for i, message in enumerate(messages) if isinstance(message, HumanMessage))
    asked = messages[last].model_copy(update={"content": question})
    return [*messages[:last], asked, *messages[last + 1 :]]


def _found(state: State, place: Place, record: Json) -> str:
    """The passages of one step as the node is told of them: all, or a seat's own share."""
    shown = _share(record, place.seat)
    if not shown:
        return ""
    sign, name = boundary(state["recipe"]["salt"], place.node), record["prompt"]
    prompt = state["recipe"]["prompts"].get(name) or read(name)
    told = "".join(_fenced(passage, sign) for passage in shown)
    return fill(prompt, name, boundary=sign, passages=told)


def _share(record: Json, seat: str) -> list[Mapping[str, Any]]:
    passages: list[Mapping[str, Any]] = record.get("passages", [])
    shares = record.get("shards")
    if not shares or not seat:
        return passages
    mine = shares[(int(seat) - 1) % len(shares)]
    return [passage for passage in passages if passage["id"] in mine]


def _fenced(passage: Mapping[str, Any], sign: str) -> str:
    source = " ".join(plain(passage["source"], sign).split())
    text = plain(passage["text"], sign)
    return f"\n[{passage['id']}] {source}\n[begin {sign}]\n{text}\n[end {sign}]"
