"""The base of judges that ask a model; a reply that cannot be parsed is asked for once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from pydantic import ValidationError

from moagraph.evals.judge import JudgeVerdict, NoVerdict, Ruling
from moagraph.evals.run.answer_fingerprint import fingerprint_models
from moagraph.evals.run.single_call import call_model
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import with_bill
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json
from moagraph.prompts import render

ParseVerdicts: TypeAlias = Callable[[Reply], list[JudgeVerdict]]


def build_call(model: str, max_tokens: int, **options: object) -> Call:
    """Build a judge's call, at temperature 0 unless `options` set another.

    Args:
        model: The judge, as `provider:model`.
        max_tokens: The longest reply, in tokens.
        options: Further fields of `Call`.
    """
    fields = {"model": model, "temperature": 0.0, "max_tokens": max_tokens, **options}
    try:
        return Call.model_validate(fields)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["ctx"]["error"])) from error


@dataclass(frozen=True)
class ModelJudge:
    """The name and the call of a judge that asks a model."""

    name: str
    call: Call

    @property
    def recipe(self) -> Json:
        """The call in the form of a recipe, from which its price is estimated."""
        return {"name": "judge", "layers": [{"proposers": [self._call_json], "aggregate": []}]}

    def inputs(self, messages: Sequence[tuple[str, str]]) -> Json:
        """Return everything that determines the verdict on `messages`; a trial's key hashes it."""
        return {"call": self._call_json, "messages": messages, **self._fingerprints}

    @cached_property
    def _fingerprints(self) -> Json:
        fingerprints = fingerprint_models([self._call_json])
        return {"behind": fingerprints} if fingerprints else {}

    @property
    def _call_json(self) -> Json:
        return self.call.model_dump(mode="json", exclude_none=True)


async def ask_for_verdicts(
    call: Call, messages: Sequence[tuple[str, str]], form: str, parse: ParseVerdicts
) -> Ruling:
    """Ask the model, once more with a reminder if a verdict cannot be parsed.

    Verdicts that cannot be parsed after the second reply are returned as unparsed.

    Args:
        call: The judge's call.
        messages: The conversation to send, as pairs of role and text.
        form: The form of a verdict, for the reminder.
        parse: Reads the verdicts from a reply.

    Raises:
        NoVerdict: The first call failed and nothing was billed.
    """
    conversation = [_message(role, text) for role, text in messages]
    first = await call_model(call, conversation)
    if not _was_answered(first):
        raise NoVerdict(f"`{call.model}`: {first.error}")
    verdicts = parse(first)
    if all(verdict.parsed for verdict in verdicts):
        return _ruling(first, verdicts)
    reminder = HumanMessage(render("judge-again", form=form))
    retry = [*conversation, AIMessage(first.text), reminder] if first.text else conversation
    second = await call_model(call, retry)
    if not _was_answered(second):
        return _ruling(with_bill(first, second), verdicts)
    return _ruling(with_bill(second, first), parse(second))


def _was_answered(reply: Reply) -> bool:
    """Whether the provider answered; a billed reply counts even if its text was withheld."""
    billed = bool(reply.cost_usd or reply.input_tokens or reply.output_tokens)
    return reply.ok or billed or reply.kind in ("empty", "bad_answer")


def _ruling(reply: Reply, verdicts: Sequence[JudgeVerdict]) -> Ruling:
    usage = {
        "input_tokens": reply.input_tokens or 0,
        "output_tokens": reply.output_tokens or 0,
        "calls": reply.attempts,
    }
    return Ruling(verdicts, reply.text, reply.cost_usd, usage)


def _message(role: str, text: str) -> AnyMessage:
    return SystemMessage(text) if role == "system" else HumanMessage(text)
