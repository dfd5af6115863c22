"""Ask a model for a decision; if its answer cannot be parsed, ask once more for the format."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask, with_bill
from moagraph.nodes.models.outgoing import BuildMessages, Outgoing
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import limit_call
from moagraph.nodes.state import Json
from moagraph.prompts import read

T = TypeVar("T")
AGAIN = "again"  # the prompt that asks for the format once more


async def ask_parsed(
    view: NodeView,
    call: Call,
    arguments: PromptArguments,
    parse: Callable[[str], T | None],
    label: str = "",
) -> tuple[T | None, Json]:
    """Call a model and parse its decision.

    Args:
        view: The node.
        call: The model and its settings.
        arguments: What fills the prompt.
        parse: Returns the decision, or None if the text has none.
        label: Distinguishes this call from others of the same node that send the same messages.

    Returns:
        The decision, None if there is none; and the record of the call.
    """
    messages, slots = MessageBuilder(view, arguments), view.concurrency
    key = view.cache_key and f"{view.cache_key}.{label}"
    reply = await ask(limit_call(view.state, call), messages, slots, key)
    value = parse(reply.text) if reply.ok else None
    if reply.ok and value is None:
        first, retry = reply, _ask_for_format(messages, reply.text)
        again = await ask(limit_call(view.state, call), retry, slots, key and f"{key}.again")
        value = parse(again.text) if again.ok else None
        reply = replace(with_bill(again, first), seconds=first.seconds + again.seconds)
    return value, {**reply.record(), "parsed": value is not None, "told": messages.to_record()}


def _ask_for_format(build: BuildMessages, text: str) -> BuildMessages:
    """Return the same messages, the unreadable answer, and the request for the format."""

    async def messages(call: Call) -> Outgoing:
        before = await build(call)
        more: list[AnyMessage] = [AIMessage(text), HumanMessage(read(AGAIN))]
        return Outgoing([*before.messages, *more], before.notes)

    return messages
