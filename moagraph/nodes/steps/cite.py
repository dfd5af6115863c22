"""Cite: record which passages the answer cites by number, and which numbers match none."""

import re
from typing import ClassVar, Literal

from pydantic import Field

from moagraph.nodes.messages.context import preparation_records
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import AFTER, Step, Update

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_NUMBERS = re.compile(r"\[(\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*)\]")  # noqa: RUF001
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")  # noqa: RUF001
MAX_RANGE = 100  # numbers in one range


class Cite(Step):
    """Whether the sources are listed below the answer."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)

    step: Literal["cite"] = "cite"
    append: bool = Field(False, description="List the cited sources below the answer.")

    async def run(self, view: NodeView) -> Update:
        """Look up the numbers in the answer; without a list of sources it is not changed."""
        [text] = view.answers.values()
        sources = {
            passage["id"]: passage["source"]
            for record in preparation_records(view)
            for passage in record.get("passages", ())
        }
        cited_numbers = numbers(text)
        cited = [number for number in cited_numbers if number in sources]
        record: Json = {
            "passages_told": len(sources),
            "cited": {number: sources[number] for number in cited},
            "unknown": [number for number in cited_numbers if number not in sources],
        }
        if self.append and cited:
            lines = "\n".join(f"[{number}] {sources[number]}" for number in sorted(cited, key=int))
            record["text"] = text = f"{text.rstrip()}\n\nSources:\n{lines}"
        update: Update = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update


def numbers(text: str) -> list[str]:
    """Return the numbers in square brackets, each once, as in [1], [2, 3] or [4-6].

    Args:
        text: The answer; brackets in its code are not citations.
    """
    unique: dict[str, None] = {}
    for brackets in _NUMBERS.finditer(_CODE.sub(" ", text)):
        for part in _RANGE.finditer(brackets[1]):
            first, last = int(part[1]), int(part[2] or part[1])
            unique |= {str(n): None for n in range(first, min(last, first + MAX_RANGE) + 1)}
    return list(unique)
