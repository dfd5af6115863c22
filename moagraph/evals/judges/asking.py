"""A model in the judge's seat: asked once, and once more where its verdict cannot be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from pydantic import ValidationError

from moagraph.evals.judge import NoVerdict, Ruling, Verdict
from moagraph.evals.run.answer_fingerprint import behind
from moagraph.evals.run.single_call import ask_alone
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import with_bill
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json
from moagraph.prompts import render

T = TypeVar("T")
Read: TypeAlias = Callable[[Reply], list[Verdict]]


def call_of(model: str, max_tokens: int, **said: object) -> Call:
    """The judge's call: as steady as it can be."""
    told = {"model": model, "temperature": 0.0, "max_tokens": max_tokens, **said}
    try:
        return Call.model_validate(told)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["ctx"]["error"])) from error


@dataclass(frozen=True)
class ModelJudge:
    """What every judge that asks a model has: its name, and how it asks."""

    name: str
    call: Call

    @property
    def recipe(self) -> Json:
        """Its call in the form of a recipe, by which it is priced."""
        return {"name": "judge", "layers": [{"proposers": [self._told], "aggregate": []}]}

    def said(self, messages: Sequence[tuple[str, str]]) -> Json:
        """All that its verdict hangs on: the call, and what is told."""
        return {"call": self._told, "messages": messages, **self._behind}

    @cached_property
    def _behind(self) -> Json:
        behind_it = behind([self._told])
        return {"behind": behind_it} if behind_it else {}

    @property
    def _told(self) -> Json:
        return self.call.model_dump(mode="json", exclude_none=True)


async def ruled(call: Call, told: Sequence[tuple[str, str]], form: str, read: Read) -> Ruling:
    """The verdicts that its words hold; unread after two tries, they are kept as unread."""
    messages = [_message(*one) for one in told]
    first = await ask_alone(call, messages)
    if not _heard(first):
        raise NoVerdict(f"`{call.model}`: {first.error}")
    found = read(first)
    if all(verdict.parsed for verdict in found):
        return _ruling(first, found)
    reminder = HumanMessage(render("judge-again", form=form))
    said = [AIMessage(first.text)] if first.text else []
    again = await ask_alone(call, [*messages, *said, reminder] if said else messages)
    if not _heard(again):
        return _ruling(with_bill(first, again), found)
    return _ruling(with_bill(again, first), read(again))


def _heard(reply: Reply) -> bool:
    """Whether it was answered: what was paid for is, also where the words were withheld."""
    billed = bool(reply.cost_usd or reply.input_tokens or reply.output_tokens)
    return reply.ok or billed or reply.kind in ("empty", "bad_answer")


def _ruling(reply: Reply, verdicts: Sequence[Verdict]) -> Ruling:
    usage = {
        "input_tokens": reply.input_tokens or 0,
        "output_tokens": reply.output_tokens or 0,
        "calls": reply.attempts,
    }
    return Ruling(verdicts, reply.text, reply.cost_usd, usage)


def _message(role: str, text: str) -> AnyMessage:
    return SystemMessage(text) if role == "system" else HumanMessage(text)
