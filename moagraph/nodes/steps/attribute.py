"""Attribute: trace each sentence of the answer to the proposals, without calling a model.

Sentences are compared by their words alone: a paraphrase is not recognised, and a match does not
prove that the sentence was copied.
"""

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update
from moagraph.nodes.texts.attribution import SourceText, statements

MAX_CHARACTERS = 200  # of a sentence in the record


class Attribute(Step):
    """How similar a sentence must be; the answer itself is not changed."""

    positions: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    only_annotates: ClassVar[bool] = True

    step: Literal["attribute"] = "attribute"
    alike: float = Field(
        0.5, gt=0, le=1, description="Share of its words that makes a sentence another's."
    )
    top: int = Field(
        1, ge=0, description="Of how many of the best answers it is told what was left out."
    )

    async def run(self, view: NodeView) -> Update:
        """Compare the answer with the texts that its author has read, the best-ranked first."""
        texts, ranking = _sources(view)
        answer = next(iter(view.answers.values()), "")
        if not texts or not answer:
            return {"steps": {view.spec.name: {"why": "nothing was written from other answers"}}}
        record = await asyncio.to_thread(self._trace, answer, texts)
        if ranking:
            record |= _compare_with_ranking(record["taken"], ranking)
        return {"steps": {view.spec.name: record}}

    def _trace(self, answer: str, texts: Mapping[str, str]) -> Json:
        """Return the nearest source of each sentence, and what the best answers had besides."""
        sources = {seat: SourceText(text) for seat, text in texts.items()}
        traced = [self._nearest(sentence, sources) for sentence in statements(answer)]
        counts = {seat: sum(entry["from"] == seat for entry in traced) for seat in texts}
        answer_text = SourceText(answer)
        left_out = [
            {"seat": seat, "text": _shorten(sentence)}
            for seat in list(texts)[: self.top]
            for sentence in statements(texts[seat])
            if answer_text.similarity(sentence) < self.alike
        ]
        new = len(traced) - sum(counts.values())
        return {"taken": counts, "new": new, "traced": traced, "left_out": left_out}

    def _nearest(self, sentence: str, sources: Mapping[str, SourceText]) -> Json:
        """Return the seat with the most similar sentence; of equals, the best-ranked."""
        similarities = {seat: source.similarity(sentence) for seat, source in sources.items()}
        best = max(similarities, key=lambda seat: similarities[seat])
        return {
            "from": best if similarities[best] >= self.alike else None,
            "likeness": round(similarities[best], 3),
            "text": _shorten(sentence),
        }


def _sources(view: NodeView) -> tuple[dict[str, str], list[str]]:
    """Return what the author of the answer has read, and its ranking if it was ranked."""
    if view.spec.reads is None:
        return {}, []
    layer, chain = view.spec.reads
    records = [view.records.get(node, {}) for node in chain]
    author = next((n for n, record in enumerate(records) if "text" in record), None)
    if author is None:
        return {}, []
    rankings = [record["ranking"] for record in records[:author] if "ranking" in record]
    return view.reading((layer, chain[:author])).answers, [*rankings, []][0]


def _compare_with_ranking(counts: Mapping[str, int], ranking: list[str]) -> Json:
    """Return whether more sentences come from another answer than from the one ranked first."""
    first = ranking[0]
    main = max(counts, key=lambda seat: counts[seat])
    if main not in ranking or counts[main] <= counts.get(first, 0):
        return {"overruled": False}
    reason = (
        f"{counts[main]} sentences are like those of {main}, ranked {ranking.index(main) + 1} of "
        f"{len(ranking)}, and {counts.get(first, 0)} like those of {first}, ranked first"
    )
    return {"overruled": True, "why": reason}


def _shorten(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_CHARACTERS else f"{sentence[: MAX_CHARACTERS - 1]}…"
