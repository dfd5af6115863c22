"""Detect: find the sentences of an answer that other answers or retrieved passages do not support.

As SelfCheck, but across models: one call for each sample reads all sentences, numbered. A
sentence's score is the share of samples that do not support it. Passages are read in one call.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.messages.build import PromptArguments
from moagraph.nodes.messages.context import preparation_records
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update
from moagraph.nodes.step_support.provenance import source_proposals
from moagraph.nodes.texts.sentences import Piece, split_pieces

UNSUPPORTED = "[unsupported]"
PASSAGES = "passages"  # the call that reads all of them


class Detect(Call, Reading, Step):
    """Which model compares, with what, and whether unsupported sentences are marked."""

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
        """Whether it leaves the answer as it is."""
        return not self.mark

    @property
    def needs_passages(self) -> bool:
        """Whether it compares with passages."""
        return self.by == "passages"

    def call_count(self, answers: int) -> int:
        """Return one call for each sample, or one for all passages."""
        return answers if self.by == "samples" else 1

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """Refuse a layer of one seat: an answer cannot be compared with itself."""
        if self.by == "samples" and len(seats) < 2:
            return '`by = "samples"` compares with other answers: it needs two seats or more'
        return None

    async def run(self, view: NodeView) -> Update:
        """Score each sentence; mark the unsupported ones if `mark` says so."""
        [text] = view.answers.values()
        pieces = split_pieces(text)
        claims = [piece for piece in pieces if piece.is_claim]
        sources = self._sources(view, text)
        verdicts, calls = await self._ask_verdicts(view, claims, sources)
        unparsed = sum(call["ok"] and not call["parsed"] for call in calls.values())
        no_passages = self.by == "passages" and not sources  # then nothing supports any sentence
        scores = [1.0 if no_passages else _score(verdicts, number) for number in range(len(claims))]
        unsupported = [score is not None and score > self.threshold for score in scores]
        sentences = [
            {"text": piece.sentence, "score": score, "unsupported": flag}
            for piece, score, flag in zip(claims, scores, unsupported, strict=True)
        ]
        record: Json = {"sentences": sentences, "unsupported": sum(unsupported)}
        record |= {"unparsed": unparsed, "sources": len(sources), "calls": calls}
        if self.mark:
            record["text"] = text = _mark(pieces, unsupported)
        update: Update = {"steps": {view.spec.name: record}}
        return {**update, "messages": [message_of_text(text)]} if view.spec.ends_turn else update

    def _sources(self, view: NodeView, text: str) -> dict[str, str]:
        """Return what the answer is compared with; the answer itself is not among it."""
        if self.by == "passages":
            records = preparation_records(view)
            passages = [passage for record in records for passage in record.get("passages", ())]
            return {str(passage["id"]): passage["text"] for passage in passages}
        samples = source_proposals(view)
        own = next(
            (seat for seat, sample in samples.items() if sample.strip() == text.strip()), None
        )
        return {seat: sample for seat, sample in samples.items() if seat != own}

    async def _ask_verdicts(
        self, view: NodeView, claims: Sequence[Piece], sources: Mapping[str, str]
    ) -> tuple[list[list[bool]], dict[str, Json]]:
        """Return the verdicts on all sentences from each call, and the records of the calls."""
        if not claims or not sources:
            return [], {}
        groups = {seat: {seat: text} for seat, text in sources.items()}
        if self.by == "passages":
            groups = {PASSAGES: dict(sources)}
        numbered = "\n".join(
            f"{number}. {claim.sentence}" for number, claim in enumerate(claims, 1)
        )
        values = {"sentences": numbered}
        requests = [
            ask_parsed(
                view,
                self,
                PromptArguments(texts, values, alone=True),
                lambda reply: parse_verdicts(reply, len(claims)),
                label,
            )
            for label, texts in groups.items()
        ]
        results = dict(zip(groups, await asyncio.gather(*requests), strict=True))
        calls = {label: call for label, (_, call) in results.items()}
        return [verdicts for verdicts, _ in results.values() if verdicts is not None], calls


def parse_verdicts(text: str, sentences: int) -> list[bool] | None:
    """Parse a yes or no for each sentence.

    Args:
        text: The model's reply, with lines such as `2: no`.
        sentences: How many sentences there are.

    Returns:
        The verdicts in order; None unless each sentence, and no other, has a line.
    """
    lines = re.findall(r"^\W*(\d+)\W+(yes|no)\b", text, re.MULTILINE | re.IGNORECASE)
    verdicts = {int(number): verdict.lower() == "yes" for number, verdict in lines}
    if sorted(verdicts) != list(range(1, sentences + 1)):
        return None
    return [verdicts[number] for number in sorted(verdicts)]


def _score(verdicts: Sequence[Sequence[bool]], number: int) -> float | None:
    """Return the share of parsed verdicts that do not support a sentence; None without any."""
    if not verdicts:
        return None
    return round(sum(not verdict[number] for verdict in verdicts) / len(verdicts), 3)


def _mark(pieces: Sequence[Piece], unsupported: Sequence[bool]) -> str:
    flags = iter(unsupported)
    return "".join(
        piece.marked(UNSUPPORTED) if piece.is_claim and next(flags) else piece.text
        for piece in pieces
    )
