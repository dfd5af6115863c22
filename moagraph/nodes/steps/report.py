"""Report: where the proposals of a layer agree, where they differ, and what only one says."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import limit_call
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import AFTER, Step, Update
from moagraph.nodes.step_support.provenance import source_layer, source_proposals


class Report(Call, Reading, Step):
    """Which model writes the report, and whether it is appended to the answer."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)
    needs_single_answer: ClassVar[bool] = True

    step: Literal["report"] = "report"
    prompt: Prompt = Field("report", description="A prompt's name, a path, or the text.")
    append: bool = Field(False, description="Put it under the answer, too.")
    heading: str = Field("Council report", description="What stands above it there.")

    @property
    def only_annotates(self) -> bool:
        """Whether the report stays in its record."""
        return not self.append

    def call_count(self, answers: int) -> int:
        """Return one call, however many answers it reads."""
        return 1

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """Refuse a layer of one seat: there is nothing to compare."""
        return "a `report` compares answers: it needs two seats or more" if len(seats) < 2 else None

    async def run(self, view: NodeView) -> Update:
        """Ask for the report; if the call fails, the answer is not changed."""
        [text] = view.answers.values()
        texts = MessageBuilder(view, PromptArguments(source_proposals(view))).references
        record: Json = {"report": None, "seats": list(texts)}
        if len(texts) > 1:
            record |= await self._write(view)
        if self.append and record["report"]:
            report = f"## {self.heading}\n\n{record['report'].strip()}\n\n{_authors(view, texts)}"
            record["text"] = text = f"{text.rstrip()}\n\n{report}"
        update: Update = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update

    async def _write(self, view: NodeView) -> Json:
        messages = MessageBuilder(view, PromptArguments(source_proposals(view), alone=True))
        reply = await ask(limit_call(view.state, self), messages, view.concurrency, view.cache_key)
        call = {**reply.record(), "told": messages.to_record()}
        return {"calls": {"report": call}, "report": reply.text if reply.ok else None}


def _authors(view: NodeView, seats: Iterable[str]) -> str:
    """Return which model wrote the answer behind each number."""
    proposals = view.proposals(source_layer(view))
    authors = (f"{number} {proposals[seat]['model']}" for number, seat in enumerate(seats, 1))
    return f"The answers: {', '.join(authors)}."
