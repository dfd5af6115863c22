"""Attribute: which sentences of the answer come from whom, and what was left out; asks no model.

By words alone: who says the same in other words is not found, and no sentence is proven taken.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update
from moagraph.nodes.texts.attribution import SourceText, statements

SHOWN = 200  # characters of a sentence


class Attribute(Step):
    """When a sentence counts as taken over; what the answer says stays as it is."""

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
        """Compare the answer with what its author has read, the best-ranked first."""
        texts, ranked = _sources(view)
        answer = next(iter(view.answers.values()), "")
        if not texts or not answer:
            return {"steps": {view.spec.name: {"why": "nothing was written from other answers"}}}
        record = await asyncio.to_thread(_traced, answer, texts, self)
        told = _overruled(record["taken"], ranked) if ranked else {}
        return {"steps": {view.spec.name: {**record, **told}}}




def _sources(view: NodeView) -> tuple[dict[str, str], list[str]]:
    """What the author of the answer read, and how that was ranked, if it was."""
    if view.spec.reads is None:
        return {}, []
    layer, chain = view.spec.reads
    records = [view.records.get(node, {}) for node in chain]
    wrote = next((n for n, record in enumerate(records) if "text" in record), None)
    if wrote is None:
        return {}, []
    ranked = [record["ranking"] for record in records[:wrote] if "ranking" in record]
    return view.reading((layer, chain[:wrote])).answers, [*ranked, []][0]


def _traced(answer: str, texts: Mapping[str, str], step: Attribute) -> Json:
    said = {seat: SourceText(text) for seat, text in texts.items()}
    found = [_nearest(sentence, said, step.alike) for sentence in statements(answer)]
    taken = {seat: sum(one["from"] == seat for one in found) for seat in texts}
    whole = SourceText(answer)
    left_out = [
        {"seat": seat, "text": _short(sentence)}
        for seat in list(texts)[: step.top]
        for sentence in statements(texts[seat])
        if whole.similarity(sentence) < step.alike
    ]
    new = len(found) - sum(taken.values())
    return {"taken": taken, "new": new, "traced": found, "left_out": left_out}


def _nearest(sentence: str, said: Mapping[str, SourceText], alike: float) -> Json:
    """Whose sentence is most like it; of equals, the best-ranked."""
    near = {seat: one.similarity(sentence) for seat, one in said.items()}
    best = max(near, key=lambda seat: near[seat])
    whose = best if near[best] >= alike else None
    return {"from": whose, "likeness": round(near[best], 3), "text": _short(sentence)}


def _overruled(taken: Mapping[str, int], ranked: list[str]) -> Json:
    """Whether more comes from another than from the answer that was ranked first."""
    first = ranked[0]
    most = max(taken, key=lambda seat: taken[seat])
    if most not in ranked or taken[most] <= taken.get(first, 0):
        return {"overruled": False}
    reason = (
        f"{taken[most]} sentences are like those of {most}, ranked {ranked.index(most) + 1} of "
        f"{len(ranked)}, and {taken.get(first, 0)} like those of {first}, ranked first"
    )
    return {"overruled": True, "why": reason}


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= SHOWN else f"{sentence[: SHOWN - 1]}…"
