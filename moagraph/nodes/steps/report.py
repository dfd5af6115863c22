"""Report: where the answers that a layer gave agree, where they differ, what only one said."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.resources import Prompt
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.step_support.provenance import source_layer, source_proposals
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, Step, Update


class Report(Call, Reading, Step):
    """Which model reports, and whether the answer carries what it says."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)
    needs_single_answer: ClassVar[bool] = True

    step: Literal["report"] = "report"
    prompt: Prompt = Field("report", description="A prompt's name, a path, or the text.")
    append: bool = Field(False, description="Put it under the answer, too.")
    heading: str = Field("Council report", description="What stands above it there.")

    @property
    def only_annotates(self) -> bool:
        """Where it stays in its record."""
        return not self.append

    def call_count(self, seats: int) -> int:
        """One, whatever it reads."""
        return 1

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """One answer agrees with itself."""
        return "a `report` compares answers: it needs two seats or more" if len(seats) < 2 else None

    async def run(self, view: NodeView) -> Update:
        """Ask for it; where it fails, the answer stands without it."""
        [text] = view.answers.values()
        texts = MessageBuilder(view, PromptArguments(source_proposals(view))).references
        record: Json = {"report": None, "seats": list(texts)}
        if len(texts) > 1:
            record |= await _reported(view, self)
        if self.append and record["report"]:
            under = f"## {self.heading}\n\n{record['report'].strip()}\n\n{_who(view, texts)}"
            record["text"] = f"{text.rstrip()}\n\n{under}"
        update: dict[str, Any] = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(record.get("text", text))]} if view.spec.ends_turn else update




async def _reported(view: NodeView, step: Report) -> Json:
    telling = PromptArguments(source_proposals(view), alone=True)
    heard, slots = MessageBuilder(view, telling), view.concurrency
    reply = await ask(within(view.state, step), heard, slots, view.cache_key)
    call = {**reply.record(), "told": MessageBuilder(view, telling).to_record()}
    return {"calls": {"report": call}, "report": reply.text if reply.ok else None}


def _who(view: NodeView, read: Iterable[str]) -> str:
    """Which number is whose answer."""
    said = view.proposals(source_layer(view))
    named = (f"{number} {said[seat]['model']}" for number, seat in enumerate(read, 1))
    return f"The answers: {', '.join(named)}."
