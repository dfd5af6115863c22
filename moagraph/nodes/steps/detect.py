"""Detect: which sentences of an answer the other answers, or the passages that were found, bear.

SelfCheck across models: each sample is read by one call that is shown all sentences, numbered; a
sentence's score is the share of the samples that do not support it. Passages are read together.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.resources import Prompt
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.models.call import Call
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.context import preparation_records
from moagraph.nodes.messages.build import PromptArguments
from moagraph.nodes.step_support.provenance import source_proposals
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update
from moagraph.nodes.texts.sentences import Piece, split_pieces

UNSUPPORTED = "[unsupported]"
PASSAGES = "passages"  # the call that reads all of them


class Detect(Call, Reading, Step):
    """Which model compares, with what, and what is done about what it finds."""

    positions: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    prompt_variables: ClassVar[tuple[str, ...]] = ("question", "references", "sentences")
    needs_single_answer: ClassVar[bool] = True
    reads_all_proposals: ClassVar[bool] = True

    step: Literal["detect"] = "detect"
    prompt: Prompt = Field("detect", description="A prompt's name, a path, or the text.")
    by: Literal["samples", "passages"] = Field(
        "samples", description="The layer's other answers, or what a step ahead has retrieved."
    )
    threshold: float = Field(
        0.5, ge=0, lt=1, description="A sentence is unsupported for a larger share of the samples."
    )
    mark: bool = Field(False, description=f"Put {UNSUPPORTED} behind what is unsupported.")

    @property
    def only_annotates(self) -> bool:
        """Where it marks nothing."""
        return not self.mark

    @property
    def needs_passages(self) -> bool:
        """Where it compares with passages."""
        return self.by == "passages"

    def call_count(self, seats: int) -> int:
        """One a sample, whatever the answer's length; passages are read together."""
        return seats if self.by == "samples" else 1

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """An answer cannot be compared with itself."""
        if self.by == "samples" and len(seats) < 2:
            return '`by = "samples"` compares with other answers: it needs two seats or more'
        return None

    async def run(self, view: NodeView) -> Update:
        """Score each sentence; the answer goes on as it is, or with its unsupported ones marked."""
        [text] = view.answers.values()
        parts = split_pieces(text)
        claims = [part for part in parts if part.is_claim]
        sources = _sources(view, self, text)
        verdicts, calls = await _verdicts(view, self, claims, sources)
        unparsed = sum(call["ok"] and not call["parsed"] for call in calls.values())
        nothing = self.by == "passages" and not sources  # nothing was found, so nothing is borne out
        scores = [1.0 if nothing else _score(verdicts, number) for number in range(len(claims))]
        weak = [score is not None and score > self.threshold for score in scores]
        told = [
            {"text": part.sentence, "score": score, "unsupported": found}
            for part, score, found in zip(claims, scores, weak, strict=True)
        ]
        record: Json = {"sentences": told, "unsupported": sum(weak), "unparsed": unparsed}
        record |= {"sources": len(sources), "calls": calls}
        if self.mark:
            record["text"] = _marked(parts, weak)
        update: dict[str, Any] = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(record.get("text", text))]} if view.spec.ends_turn else update




def supported(said: str, sentences: int) -> list[bool] | None:
    """For each sentence yes or no; None unless every one of them, and no other, has its line."""
    lines = re.findall(r"^\W*(\d+)\W+(yes|no)\b", said, re.MULTILINE | re.IGNORECASE)
    found = {int(number): verdict.lower() == "yes" for number, verdict in lines}
    if sorted(found) != list(range(1, sentences + 1)):
        return None
    return [found[number] for number in sorted(found)]


def _sources(view: NodeView, step: Detect, text: str) -> dict[str, str]:
    """What the answer is compared with; it is none of its own samples."""
    if step.by == "passages":
        found: list[Any] = [
            one for record in preparation_records(view) for one in record.get("passages", ())
        ]
        return {str(one["id"]): one["text"] for one in found}
    samples = source_proposals(view)
    itself = next((seat for seat, said in samples.items() if said.strip() == text.strip()), None)
    return {seat: said for seat, said in samples.items() if seat != itself}


async def _verdicts(
    view: NodeView, step: Detect, claims: Sequence[Piece], sources: Mapping[str, str]
) -> tuple[list[list[bool]], dict[str, Json]]:
    """What each source, or all passages together, say of each sentence."""
    if not claims or not sources:
        return [], {}
    groups = {seat: {seat: text} for seat, text in sources.items()}
    if step.by == "passages":
        groups = {PASSAGES: dict(sources)}
    numbered = "\n".join(f"{number}. {part.sentence}" for number, part in enumerate(claims, 1))
    values = {"sentences": numbered}
    decisions = [
        ask_parsed(
            view,
            step,
            PromptArguments(texts, values, alone=True),
            lambda said: supported(said, len(claims)),
            label,
        )
        for label, texts in groups.items()
    ]
    came = dict(zip(groups, await asyncio.gather(*decisions), strict=True))
    calls = {label: call for label, (_, call) in came.items()}
    return [verdict for verdict, _ in came.values() if verdict is not None], calls


def _score(verdicts: Sequence[Sequence[bool]], number: int) -> float | None:
    """The share of those that were read which do not support it; None where none could be."""
    if not verdicts:
        return None
    return round(sum(not verdict[number] for verdict in verdicts) / len(verdicts), 3)


def _marked(parts: Sequence[Piece], weak: Sequence[bool]) -> str:
    found = iter(weak)
    return "".join(p.marked(UNSUPPORTED) if p.is_claim and next(found) else p.text for p in parts)
