"""Aggregate-and-Synthesize: one model writes one answer from all that it reads.

More answers than a window holds are read window by window, each of the later ones beside the
answer so far (Self-MoA-Seq): what is sent stays as long, however many answers there are.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.step_support.answer import spoken, written
from moagraph.nodes.policies.budget import closing, within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.streaming import silent
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.messages.compose import REFERENCES
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import PLAIN, Telling, as_kept, fits, graded, hearing
from moagraph.nodes.state import Json, Place, State, answers, passed, sample, settings, widest
from moagraph.nodes.step_support.base import Step

SO_FAR = "so far"  # how the answer so far is called where seats are listed


class Synthesize(Call, Reading, Step):
    """Which model writes, and by which prompt."""

    writes: ClassVar[bool] = True
    rereads: ClassVar[bool] = True
    speaks: ClassVar[tuple[str, ...]] = (*REFERENCES, "grades")

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
    def gives_one(self) -> bool:
        """It writes one answer."""
        return True

    def nodes(self, seats: int) -> tuple[str, ...]:
        """A node for each window."""
        return (self.step,) * self.calls(seats)

    def calls(self, seats: int) -> int:
        """One for each window."""
        if self.window is None or seats <= self.window:
            return 1
        return 1 + ceil((seats - self.window) / (self.window - self.carry))


async def synthesize(state: State, place: Place) -> dict[str, Any]:
    """Ask the aggregator; at the end of a recipe, its answer is the turn's."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Synthesize.model_validate(settings(state, place))
    texts = answers(state, place)
    rest, so_far = _own(step, place, list(texts)), _so_far(state, place)
    if texts and not rest:
        return {"steps": {place.node: {"window": []}}}
    made: list[Json] = []
    while True:
        ends = closing(state, made)
        telling, rest = await _next(state, place, step, so_far, rest, whole=ends)
        reply = await _asked(state, place, step, telling, number=len(made), ends=not rest)
        record = _record(state, place, telling, reply)
        if not reply.ok:
            return _without(state, place, step, reply, _together([*made, record]))
        made.append(record)
        so_far = reply.text
        if not rest:
            break
    update: dict[str, Any] = {"steps": {place.node: _together(made)}}
    return {**update, "messages": [spoken(reply)]} if place.last else update


def _own(step: Synthesize, place: Place, seats: list[str]) -> list[str]:
    """The seats that this node is the first to read; few answers leave the first nodes idle."""
    if step.window is None:
        return seats
    size = step.window - step.carry
    starts = [0, *range(step.window, len(seats), size)] if seats else []
    nodes = max(step.asks, 1)
    number = place.round - max(0, nodes - len(starts))
    if number < 0:
        return []
    end = len(seats) if place.round == nodes - 1 else step.window + number * size
    return seats[starts[number] : end] if starts else []


def _so_far(state: State, place: Place) -> str | None:
    """What the node before this one has written from the windows before."""
    records = [state["steps"].get(node, {}) for node in place.earlier]
    return next((record["text"] for record in reversed(records) if "text" in record), None)


async def _next(
    state: State,
    place: Place,
    step: Synthesize,
    so_far: str | None,
    rest: Sequence[str],
    whole: bool,
) -> tuple[Telling, list[str]]:
    """What the next call reads, and the seats that are left for others."""
    window = step.window or len(rest) + step.carry
    room = len(rest) if whole else max(1, window - (step.carry if so_far else 0))
    taken = list(rest[:room])
    telling = _telling(state, place, step, so_far, taken)
    while step.overflow == "windows" and len(taken) > 1 and not whole:
        if await fits(state, place, step, telling):
            break
        taken = taken[:-1]
        telling = _telling(state, place, step, so_far, taken)
    return telling, list(rest[len(taken) :])


def _telling(
    state: State, place: Place, step: Synthesize, so_far: str | None, taken: Sequence[str]
) -> Telling:
    texts = answers(state, place)
    carried = [SO_FAR if not n else f"{SO_FAR} {n + 1}" for n in range(step.carry)]
    read = {**(dict.fromkeys(carried, so_far) if so_far else {}), **{s: texts[s] for s in taken}}
    values = graded(state, place, read)
    return PLAIN if read == texts and not values else Telling(read, values)


async def _asked(
    state: State, place: Place, step: Synthesize, telling: Telling, number: int, ends: bool
) -> Reply:
    """One call; what is not the end of it is not heard, and calls no tools."""
    key = sample(state, place)
    told = (hearing(state, place, telling), widest(state["recipe"]))
    key = f"{key}.{number}" if key and number else key
    if ends and place.round + 1 >= step.asks:
        return await ask(within(state, step), *told, key)
    only = {"tools": None, "tool_choice": None, "response_format": None}
    with silent(place.final):
        return await ask(within(state, step.model_copy(update=only)), *told, key)


def _record(state: State, place: Place, telling: Telling, reply: Reply) -> Json:
    record: Json = {**reply.record()}
    return record if telling == PLAIN else {**record, "told": as_kept(telling, state, place)}


def _together(made: list[Json]) -> Json:
    """The last call's record, and in it those of the windows before."""
    *before, last = made
    if not before:
        return last
    calls = {f"window {number}": record for number, record in enumerate(before, 1)}
    seconds = round(sum(record["seconds"] for record in made), 3)
    return {**last, "seconds": seconds, "calls": calls, "windows": len(made)}


def _without(
    state: State, place: Place, step: Synthesize, reply: Reply, record: Json
) -> dict[str, Any]:
    """The step has no answer of its own: the first that it read stands, or it fails."""
    why = f"`{place.node}` got no answer from `{step.model}`: {reply.error}"
    texts = answers(state, place)
    if step.otherwise == "fail" or not texts:
        raise StepFailed(why, {**record, "finish": _finish(reply)})
    calls = {**record.pop("calls", {}), "last": record}
    seat, text = next(iter(texts.items()))
    left = {"calls": calls, "stands": seat, "why": why, "text": text}
    update: dict[str, Any] = {"steps": {place.node: left}}
    return {**update, "messages": [written(text)]} if place.last else update


def _finish(reply: Reply) -> str | None:
    return reply.message.response_metadata.get("finish_reason") if reply.message else None
