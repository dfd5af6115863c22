"""Longest: keep the longest answers; makes no call."""

from typing import Any, Literal

from pydantic import Field

from moagraph import NodeView, SelectionStep, select_answers


class Longest(SelectionStep):
    """How the length of an answer is measured."""

    step: Literal["longest"] = "longest"
    unit: Literal["words", "characters"] = Field("words", description="What is counted.")

    async def run(self, view: NodeView) -> dict[str, Any]:
        """Keep the answers with the most words or characters."""
        lengths = {seat: self.length(text) for seat, text in view.answers.items()}
        ranked = sorted(lengths, key=lambda seat: -lengths[seat])
        return select_answers(view, ranked, self.keep, {"lengths": lengths})

    def length(self, text: str) -> int:
        """Return the length of a text in the step's unit."""
        return len(text.split()) if self.unit == "words" else len(text)
