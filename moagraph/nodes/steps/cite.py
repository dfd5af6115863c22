"""Cite: which passages the answer names by their numbers, and which of its numbers are none."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.messages.context import preparation_records
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, Step, Update

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_NUMBERS = re.compile(r"\[(\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*)\]")  # noqa: RUF001
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")  # noqa: RUF001
MOST = 100  # numbers in one range


class Cite(Step):
    """Whether the sources are listed below the answer."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)

    step: Literal["cite"] = "cite"
    append: bool = Field(False, description="List the cited sources below the answer.")

    async def run(self, view: NodeView) -> Update:
        """Look the answer's numbers up; without a list of sources it stays as it is."""
        [text] = view.answers.values()
        found = [one for record in preparation_records(view) for one in record.get("passages", ())]
        sources = {passage["id"]: passage["source"] for passage in found}
        named = numbers(text)
        cited = [number for number in named if number in sources]
        record: Json = {
            "passages_told": len(sources),
            "cited": {number: sources[number] for number in cited},
            "unknown": [number for number in named if number not in sources],
        }
        if self.append and cited:
            lines = "\n".join(f"[{number}] {sources[number]}" for number in sorted(cited, key=int))
            record["text"] = text = f"{text.rstrip()}\n\nSources:\n{lines}"
        update: dict[str, Any] = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update




def numbers(text: str) -> list[str]:
    """The numbers in square brackets, each once, as [1], [2, 3] or [4-6]; code has none."""
    named: dict[str, None] = {}
    for brackets in _NUMBERS.finditer(_CODE.sub(" ", text)):
        for part in _RANGE.finditer(brackets[1]):
            first, last = int(part[1]), int(part[2] or part[1])
            named |= {str(n): None for n in range(first, min(last, first + MOST) + 1)}
    return list(named)
