"""Report: where the answers that a layer gave agree, where they differ, what only one said."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.step_support.answer import written
from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import Telling, as_kept, hearing, shown
from moagraph.nodes.step_support.provenance import layer_of, proposed
from moagraph.nodes.state import Json, Place, State, answers, sample, seats, settings, widest
from moagraph.nodes.step_support.base import AFTER, Step


class Report(Call, Reading, Step):
    """Which model reports, and whether the answer carries what it says."""

    rooms: ClassVar[tuple[str, ...]] = (AFTER,)
    single: ClassVar[bool] = True

    step: Literal["report"] = "report"
    prompt: str = Field("report", description="A prompt's name, a path, or the text.")
    append: bool = Field(False, description="Put it under the answer, too.")
    heading: str = Field("Council report", description="What stands above it there.")

    @property
    def remarks(self) -> bool:
        """Where it stays in its record."""
        return not self.append

    def calls(self, seats: int) -> int:
        """One, whatever it reads."""
        return 1

    def refusal(self, seats: Sequence[Any], last: bool) -> str | None:
        """One answer agrees with itself."""
        return "a `report` compares answers: it needs two seats or more" if len(seats) < 2 else None


async def report(state: State, place: Place) -> dict[str, Any]:
    """Ask for it; where it fails, the answer stands without it."""
    step = Report.model_validate(settings(state, place))
    [text] = answers(state, place).values()
    texts = shown(state, place, proposed(state, place))
    record: Json = {"report": None, "seats": list(texts)}
    if len(texts) > 1:
        record |= await _reported(state, place, step)
    if step.append and record["report"]:
        under = f"## {step.heading}\n\n{record['report'].strip()}\n\n{_who(state, place, texts)}"
        record["text"] = f"{text.rstrip()}\n\n{under}"
    update: dict[str, Any] = {"steps": {place.node: record}}
    return {**update, "messages": [written(record.get("text", text))]} if place.last else update


async def _reported(state: State, place: Place, step: Report) -> Json:
    telling = Telling(proposed(state, place), alone=True)
    heard, slots = hearing(state, place, telling), widest(state["recipe"])
    reply = await ask(within(state, step), heard, slots, sample(state, place))
    call = {**reply.record(), "told": as_kept(telling, state, place)}
    return {"calls": {"report": call}, "report": reply.text if reply.ok else None}


def _who(state: State, place: Place, read: Iterable[str]) -> str:
    """Which number is whose answer."""
    said = seats(state, layer_of(state, place))
    named = (f"{number} {said[seat]['model']}" for number, seat in enumerate(read, 1))
    return f"The answers: {', '.join(named)}."
