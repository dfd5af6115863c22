"""Aggregate-and-Synthesize: one model writes one answer from all that it reads.

More answers than a window holds are read window by window, each of the later ones beside the
answer so far (Self-MoA-Seq): what is sent stays as long, however many answers there are.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.step_support.answer import message_of_reply, message_of_text
from moagraph.nodes.policies.budget import closing, within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.streaming import silent
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.messages.compose import REFERENCES
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import MessageBuilder, NO_ARGUMENTS, PromptArguments, grade_values
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Step, Update

SO_FAR = "so far"  # how the answer so far is called where seats are listed


class Synthesize(Call, Reading, Step):
    """Which model writes, and by which prompt."""

    writes_answer: ClassVar[bool] = True
    rereads_answers: ClassVar[bool] = True
    prompt_variables: ClassVar[tuple[str, ...]] = (*REFERENCES, "grades")

    step: Literal["synthesize"] = "synthesize"
    prompt: str = Field("synthesize", description="A prompt's name, a path, or the text.")
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
    def _moves_on(self) -> "Synthesize":
        if self.window is not None and self.carry >= self.window:
            raise ValueError(
                f"`carry` {self.carry} leaves no place for answers in a `window` of {self.window}"
            )
        return self

    @property
    def leaves_one_answer(self) -> bool:
        """It writes one answer."""
        return True

    def node_kinds(self, seats: int) -> tuple[str, ...]:
        """A node for each window."""
        return (self.step,) * self.call_count(seats)

    def call_count(self, seats: int) -> int:
        """One for each window."""
        if self.window is None or seats <= self.window:
            return 1
        return 1 + ceil((seats - self.window) / (self.window - self.carry))

    async def run(self, view: NodeView) -> Update:
        """Ask the aggregator; at the end of a recipe, its answer is the turn's."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        rest, so_far = _own(self, view.spec, list(texts)), _so_far(view)
        if texts and not rest:
            return {"steps": {view.spec.name: {"window": []}}}
        made: list[Json] = []
        while True:
            ends = closing(view.state, made)
            telling, rest = await _next(view, self, so_far, rest, whole=ends)
            reply = await _asked(view, self, telling, number=len(made), ends=not rest)
            record = _record(view, telling, reply)
            if not reply.ok:
                return _without(view, self, reply, _together([*made, record]))
            made.append(record)
            so_far = reply.text
            if not rest:
                break
        update: dict[str, Any] = {"steps": {view.spec.name: _together(made)}}
        return {**update, "messages": [message_of_reply(reply)]} if view.spec.ends_turn else update




def _own(step: Synthesize, spec: NodeSpec, seats: list[str]) -> list[str]:
    """The seats that this node is the first to read; few answers leave the first nodes idle."""
    if step.window is None:
        return seats
    size = step.window - step.carry
    starts = [0, *range(step.window, len(seats), size)] if seats else []
    nodes = max(step.asks, 1)
    number = spec.round - max(0, nodes - len(starts))
    if number < 0:
        return []
    end = len(seats) if spec.round == nodes - 1 else step.window + number * size
    return seats[starts[number] : end] if starts else []


def _so_far(view: NodeView) -> str | None:
    """What the node before this one has written from the windows before."""
    records = [view.records.get(node, {}) for node in view.spec.earlier_rounds]
    return next((record["text"] for record in reversed(records) if "text" in record), None)


async def _next(
    view: NodeView,
    step: Synthesize,
    so_far: str | None,
    rest: Sequence[str],
    whole: bool,
) -> tuple[PromptArguments, list[str]]:
    """What the next call reads, and the seats that are left for others."""
    window = step.window or len(rest) + step.carry
    room = len(rest) if whole else max(1, window - (step.carry if so_far else 0))
    taken = list(rest[:room])
    telling = _telling(view, step, so_far, taken)
    while step.overflow == "windows" and len(taken) > 1 and not whole:
        if await MessageBuilder(view, telling).fits(step):
            break
        taken = taken[:-1]
        telling = _telling(view, step, so_far, taken)
    return telling, list(rest[len(taken) :])


def _telling(
    view: NodeView, step: Synthesize, so_far: str | None, taken: Sequence[str]
) -> PromptArguments:
    texts = view.answers
    carried = [SO_FAR if not n else f"{SO_FAR} {n + 1}" for n in range(step.carry)]
    read = {**(dict.fromkeys(carried, so_far) if so_far else {}), **{s: texts[s] for s in taken}}
    values = grade_values(view, read)
    return NO_ARGUMENTS if read == texts and not values else PromptArguments(read, values)


async def _asked(
    view: NodeView, step: Synthesize, telling: PromptArguments, number: int, ends: bool
) -> Reply:
    """One call; what is not the end of it is not heard, and calls no tools."""
    key = view.cache_key
    told = (MessageBuilder(view, telling), view.concurrency)
    key = f"{key}.{number}" if key and number else key
    if ends and view.spec.round + 1 >= step.asks:
        return await ask(within(view.state, step), *told, key)
    only = {"tools": None, "tool_choice": None, "response_format": None}
    with silent(view.spec.always_last):
        return await ask(within(view.state, step.model_copy(update=only)), *told, key)


def _record(view: NodeView, telling: PromptArguments, reply: Reply) -> Json:
    record: Json = {**reply.record()}
    return record if telling == NO_ARGUMENTS else {**record, "told": MessageBuilder(view, telling).to_record()}


def _together(made: list[Json]) -> Json:
    """The last call's record, and in it those of the windows before."""
    *before, last = made
    if not before:
        return last
    calls = {f"window {number}": record for number, record in enumerate(before, 1)}
    seconds = round(sum(record["seconds"] for record in made), 3)
    return {**last, "seconds": seconds, "calls": calls, "windows": len(made)}


def _without(
    view: NodeView, step: Synthesize, reply: Reply, record: Json
) -> dict[str, Any]:
    """The step has no answer of its own: the first that it read stands, or it fails."""
    why = f"`{view.spec.name}` got no answer from `{step.model}`: {reply.error}"
    texts = view.answers
    if step.otherwise == "fail" or not texts:
        raise StepFailed(why, {**record, "finish": _finish(reply)})
    calls = {**record.pop("calls", {}), "last": record}
    seat, text = next(iter(texts.items()))
    left = {"calls": calls, "stands": seat, "why": why, "text": text}
    update: dict[str, Any] = {"steps": {view.spec.name: left}}
    return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update


def _finish(reply: Reply) -> str | None:
    return reply.message.response_metadata.get("finish_reason") if reply.message else None
