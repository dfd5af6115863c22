"""Ask a model for a decision; where its answer cannot be read, it is asked once more."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.client import ask, with_bill
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.outgoing import Hearing, Sent
from moagraph.nodes.messages.build import Telling, as_kept, hearing
from moagraph.nodes.state import Json, Place, State, sample, widest
from moagraph.prompts import read as read_prompt

T = TypeVar("T")
AGAIN = "again"  # the prompt that asks for the form once more


async def decided(
    state: State,
    place: Place,
    call: Call,
    telling: Telling,
    read: Callable[[str], T | None],
    label: str = "",
) -> tuple[T | None, Json]:
    """What the model decides, None where it said nothing of that form; and the call's record.

    The label tells this call from others of the same node that send the same.
    """
    heard, slots = hearing(state, place, telling), widest(state["recipe"])
    key = sample(state, place)
    reply = await ask(within(state, call), heard, slots, key and f"{key}.{label}")
    value = read(reply.text) if reply.ok else None
    if reply.ok and value is None:
        first, more = reply, _once_more(heard, reply.text)
        again = await ask(within(state, call), more, slots, key and f"{key}.{label}.again")
        value = read(again.text) if again.ok else None
        reply = replace(with_bill(again, first), seconds=first.seconds + again.seconds)
    told = as_kept(telling, state, place)
    return value, {**reply.record(), "parsed": value is not None, "told": told}


def _once_more(heard: Hearing, said: str) -> Hearing:
    """The same, the answer without form, and what was asked for."""

    async def told(call: Call) -> Sent:
        before = await heard(call)
        more: list[AnyMessage] = [AIMessage(said), HumanMessage(read_prompt(AGAIN))]
        return Sent([*before.messages, *more], before.notes)

    return told
