"""Aggregate-and-Synthesize: one model writes one answer from all that it reads.

If there are more answers than a window holds, they are read window by window, each later window
together with the answer so far (Self-MoA-Seq): the messages do not grow with the answers.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.build import (
    NO_ARGUMENTS,
    MessageBuilder,
    PromptArguments,
    grade_values,
)
from moagraph.nodes.messages.compose import REFERENCES
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.streaming import silent
from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.policies.budget import is_last_affordable, limit_call
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_reply, message_of_text
from moagraph.nodes.step_support.base import Step, Update

SO_FAR = "so far"  # the name of the answer so far where seats are listed


class Synthesize(Call, Reading, Step):
    """Which model writes, and with which prompt."""

    writes_answer: ClassVar[bool] = True
    rereads_answers: ClassVar[bool] = True
    prompt_variables: ClassVar[tuple[str, ...]] = (*REFERENCES, "grades")

    step: Literal["synthesize"] = "synthesize"
    prompt: Prompt = Field("synthesize", description="A prompt's name, a path, or the text.")
    window: int | None = Field(
        None, ge=2, description="How many answers one call reads; more take a call each window."
    )
    carry: int = Field(
        1, ge=1, description="How many places of a later window the answer so far takes."
    )
    overflow: Literal["shorten", "windows"] = Field(
        "shorten", description="Where answers do not fit the model: cut them, or read by windows."
    )
    otherwise: Literal["fail", "first"] = Field(
        "fail", description="Where no model answers: fail, or let the first answer stand."
    )

    @model_validator(mode="after")
    def _check_window(self) -> "Synthesize":
        if self.window is not None and self.carry >= self.window:
            raise ValueError(
                f"`carry` {self.carry} leaves no place for answers in a `window` of {self.window}"
            )
        return self

    @property
    def leaves_one_answer(self) -> bool:
        """It writes one answer."""
        return True

    def node_kinds(self, answers: int) -> tuple[str, ...]:
        """Return a node for each window."""
        return (self.step,) * self.call_count(answers)

    def call_count(self, answers: int) -> int:
        """Return one call for each window."""
        if self.window is None or answers <= self.window:
            return 1
        return 1 + ceil((answers - self.window) / (self.window - self.carry))

    async def run(self, view: NodeView) -> Update:
        """Call the aggregator; at the end of a recipe, its answer is the turn's."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        unread, so_far = self._own_seats(view.spec, list(texts)), _answer_so_far(view)
        if texts and not unread:
            return {"steps": {view.spec.name: {"window": []}}}
        records: list[Json] = []
        while True:
            is_closing = is_last_affordable(view.state, records)
            arguments, unread = await self._next_window(view, so_far, unread, whole=is_closing)
            reply = await self._ask(view, arguments, number=len(records), ends=not unread)
            record = _record(view, arguments, reply)
            if not reply.ok:
                return self._without_answer(view, reply, _merge_records([*records, record]))
            records.append(record)
            so_far = reply.text
            if not unread:
                break
        update: Update = {"steps": {view.spec.name: _merge_records(records)}}
        return {**update, "messages": [message_of_reply(reply)]} if view.spec.ends_turn else update

    def _own_seats(self, spec: NodeSpec, seats: list[str]) -> list[str]:
        """Return the seats that this node reads first; with few answers, early nodes are idle."""
        if self.window is None:
            return seats
        size = self.window - self.carry
        starts = [0, *range(self.window, len(seats), size)] if seats else []
        nodes = max(self.asks, 1)
        number = spec.round - max(0, nodes - len(starts))
        if number < 0:
            return []
        end = len(seats) if spec.round == nodes - 1 else self.window + number * size
        return seats[starts[number] : end] if starts else []

    async def _next_window(
        self, view: NodeView, so_far: str | None, unread: Sequence[str], whole: bool
    ) -> tuple[PromptArguments, list[str]]:
        """Return what the next call reads, and the seats that remain for later calls."""
        window = self.window or len(unread) + self.carry
        size = len(unread) if whole else max(1, window - (self.carry if so_far else 0))
        seats = list(unread[:size])
        arguments = self._arguments(view, so_far, seats)
        while self.overflow == "windows" and len(seats) > 1 and not whole:
            if await MessageBuilder(view, arguments).fits(self):
                break
            seats = seats[:-1]
            arguments = self._arguments(view, so_far, seats)
        return arguments, list(unread[len(seats) :])

    def _arguments(
        self, view: NodeView, so_far: str | None, seats: Sequence[str]
    ) -> PromptArguments:
        names = [SO_FAR if not n else f"{SO_FAR} {n + 1}" for n in range(self.carry)]
        carried = dict.fromkeys(names, so_far) if so_far else {}
        texts = {**carried, **{seat: view.answers[seat] for seat in seats}}
        values = grade_values(view, texts)
        return (
            NO_ARGUMENTS if texts == view.answers and not values else PromptArguments(texts, values)
        )

    async def _ask(
        self, view: NodeView, arguments: PromptArguments, number: int, ends: bool
    ) -> Reply:
        """Make one call; before the last, tokens are not streamed and tools not offered."""
        messages, slots, key = MessageBuilder(view, arguments), view.concurrency, view.cache_key
        key = f"{key}.{number}" if key and number else key
        if ends and view.spec.round + 1 >= self.asks:
            return await ask(limit_call(view.state, self), messages, slots, key)
        plain = {"tools": None, "tool_choice": None, "response_format": None}
        with silent(view.spec.always_last):
            call = limit_call(view.state, self.model_copy(update=plain))
            return await ask(call, messages, slots, key)

    def _without_answer(self, view: NodeView, reply: Reply, record: Json) -> Update:
        """Let the first answer stand, or fail, as `otherwise` says."""
        reason = f"`{view.spec.name}` got no answer from `{self.model}`: {reply.error}"
        if self.otherwise == "fail" or not view.answers:
            raise StepFailed(reason, {**record, "finish": _finish_reason(reply)})
        calls = {**record.pop("calls", {}), "last": record}
        seat, text = next(iter(view.answers.items()))
        final = {"calls": calls, "stands": seat, "why": reason, "text": text}
        update: Update = {"steps": {view.spec.name: final}}
        return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update


def _answer_so_far(view: NodeView) -> str | None:
    """Return what the nodes of earlier windows have written."""
    records = [view.records.get(node, {}) for node in view.spec.earlier_rounds]
    return next((record["text"] for record in reversed(records) if "text" in record), None)


def _record(view: NodeView, arguments: PromptArguments, reply: Reply) -> Json:
    record: dict[str, Any] = {**reply.record()}
    if arguments != NO_ARGUMENTS:
        record["told"] = MessageBuilder(view, arguments).to_record()
    return record


def _merge_records(records: list[Json]) -> Json:
    """Return the last call's record, with those of earlier windows in it."""
    *earlier, last = records
    if not earlier:
        return last
    calls = {f"window {number}": record for number, record in enumerate(earlier, 1)}
    seconds = round(sum(record["seconds"] for record in records), 3)
    return {**last, "seconds": seconds, "calls": calls, "windows": len(records)}


def _finish_reason(reply: Reply) -> str | None:
    return reply.message.response_metadata.get("finish_reason") if reply.message else None
