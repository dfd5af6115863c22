"""Judge: a panel of models scores every answer, and the scores of all judges are combined."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from statistics import fmean, pvariance
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import Update
from moagraph.nodes.step_support.selection import SelectionStep, select_answers

LOWEST, HIGHEST = 1, 10
SCORE = re.compile(r"(?<![\d.])(\d{1,2}(?:\.\d+)?)(?![\d.]*\d)(?:\s*/\s*10\b)?")
LINE = re.compile(
    r"^\W*(?:answer|response)?\W*(\d+)\W*?[:=\N{EN DASH}-]+"
    r"\W*(\d{1,2}(?:\.\d+)?)(?:\s*/\s*10)?\W*$",
    re.IGNORECASE | re.MULTILINE,
)
Scores: TypeAlias = dict[str, float]


class PanelJudge(Call):
    """A model of the panel."""

    asks: int = Field(0, ge=0, description="The calls that it gets; filled in by the reader.")


def _judge_settings(settings: Any) -> Any:
    return {"model": settings} if isinstance(settings, str) else settings


class Panel(Reading, SelectionStep):
    """Who judges, what each judge reads at once, and how their scores are combined."""

    step: Literal["judge"] = "judge"
    judges: list[Annotated[PanelJudge, BeforeValidator(_judge_settings)]] = Field(
        min_length=1, description="The panel: each a model's name, or a table that says more."
    )
    reads: Literal["all", "each"] = Field(
        "all", description="What one call of a judge reads: all answers, or one, a call for each."
    )
    combine: Literal["mean", "min", "careful"] = Field(
        "mean",
        description="The mean of the scores, the worst, or the mean less `caution` x variance.",
    )
    caution: float = Field(
        0.5, ge=0, allow_inf_nan=False, description='What a variance of 1 costs, for "careful".'
    )
    prompt: Prompt = Field(
        default_factory=lambda data: "score" if data.get("reads") == "each" else "judge",
        description="A prompt's name, a path, or the text; where each is read alone, `score`.",
    )
    otherwise: Literal["fail", "first"] = Field(
        "fail", description="Where no verdict can be read: fail, or let the first answer stand."
    )
    anonymise: bool | None = True

    def call_count(self, answers: int) -> int:
        """Return the calls of each judge."""
        return answers if self.reads == "each" else 1

    def combined(self, scores: Sequence[float]) -> float:
        """Combine the scores of one answer."""
        if self.combine == "min":
            return min(scores)
        variance = pvariance(scores) if self.combine == "careful" else 0.0
        return fmean(scores) - self.caution * variance

    async def run(self, view: NodeView) -> Update:
        """Ask all judges at once; an answer that none has scored comes last."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        if len(texts) == 1:
            return select_answers(view, list(texts), self.keep, {})
        score_answers = _score_each if self.reads == "each" else _score_all
        results = await asyncio.gather(
            *(score_answers(view, judge, f"judge {n}") for n, judge in enumerate(self.judges, 1))
        )
        scores = {f"judge {number}": own for number, (own, _) in enumerate(results, 1)}
        calls = {label: call for _, records in results for label, call in records.items()}
        record = {"calls": calls, **self._combine_scores(texts, scores, calls)}
        if not record["combined"] and view.spec.ends_turn and self.otherwise == "fail":
            first = next(iter(calls.values()))
            reason = first["error"] or f"no score in {first['text'][:80]!r}"
            raise StepFailed(f"`{view.spec.name}` got no score from any judge: {reason}", record)
        if not record["combined"]:
            record["why"] = "no score could be read: the answers stand as they sit"
            return select_answers(view, list(texts), len(texts), record)
        unscored = [seat for seat in texts if seat not in record["combined"]]
        return select_answers(view, [*record["combined"], *unscored], self.keep, record)

    def _combine_scores(
        self,
        texts: Mapping[str, str],
        scores: Mapping[str, Scores],
        calls: Mapping[str, Json],
    ) -> Json:
        """Return the combined score of each answer, the best first, equals in seat order."""
        by_seat = {seat: [own[seat] for own in scores.values() if seat in own] for seat in texts}
        combined = {seat: round(self.combined(own), 4) for seat, own in by_seat.items() if own}
        best = sorted(combined, key=lambda seat: -combined[seat])
        ties = [seat for seat in best if combined[seat] == combined[best[0]]]
        reason = "equal scores: the first seat's answer stands before the others"
        return {
            "combine": self.combine,
            "scores": {judge: dict(sorted(own.items())) for judge, own in scores.items()},
            "combined": {seat: combined[seat] for seat in best},
            "grades": {seat: f"{combined[seat]:g} of {HIGHEST}" for seat in best},
            "unparsed": sum(not call["parsed"] for call in calls.values()),
            **({"tie": ties, "why": reason} if len(ties) > 1 else {}),
        }


async def _score_all(view: NodeView, judge: PanelJudge, label: str) -> tuple[Scores, Json]:
    """Let the judge score all answers in one call."""
    order = list(MessageBuilder(view).references)
    parse = partial(parse_scores, order=order)
    scores, call = await ask_parsed(view, judge, PromptArguments(alone=True), parse, label)
    return scores or {}, {label: call}


async def _score_each(view: NodeView, judge: PanelJudge, label: str) -> tuple[Scores, Json]:
    """Let the judge score each answer in a call that shows no other."""
    labels = {seat: f"{label} on {seat}" for seat in view.answers}
    requests: list[Awaitable[tuple[float | None, Json]]] = [
        ask_parsed(
            view, judge, PromptArguments({seat: text}, alone=True), parse_score, labels[seat]
        )
        for seat, text in view.answers.items()
    ]
    results = dict(zip(view.answers, await asyncio.gather(*requests), strict=True))
    scores = {seat: value for seat, (value, _) in results.items() if value is not None}
    return scores, {labels[seat]: call for seat, (_, call) in results.items()}


def parse_score(text: str) -> float | None:
    """Parse the score that the last line with a number in range ends in."""
    for line in reversed(text.splitlines()):
        values = [v for v in map(float, SCORE.findall(line)) if LOWEST <= v <= HIGHEST]
        if values:
            return values[-1]
    return None


def parse_scores(text: str, order: Sequence[str]) -> Scores | None:
    """Parse the scores by seat, from the lines that hold a number and a score."""
    scores = {
        order[int(number) - 1]: float(value)
        for number, value in LINE.findall(text)
        if 1 <= int(number) <= len(order) and LOWEST <= float(value) <= HIGHEST
    }
    return scores or None
