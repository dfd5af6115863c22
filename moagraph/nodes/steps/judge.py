"""Judge: a panel of models scores every answer, and the scores of all judges become one."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from statistics import fmean, pvariance
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from moagraph.nodes.step_support.ask_parsed import decided
from moagraph.nodes.models.call import Call
from moagraph.nodes.step_support.selection import Choosing, handed_on
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.build import Telling, shown
from moagraph.nodes.state import Json, Place, State, answers, passed, settings

LEAST, MOST = 1, 10
SCORE = re.compile(r"(?<![\d.])(\d{1,2}(?:\.\d+)?)(?![\d.]*\d)(?:\s*/\s*10\b)?")
LINE = re.compile(
    r"^\W*(?:answer|response)?\W*(\d+)\W*?[:=\N{EN DASH}-]+"
    r"\W*(\d{1,2}(?:\.\d+)?)(?:\s*/\s*10)?\W*$",
    re.IGNORECASE | re.MULTILINE,
)
Scores = dict[str, float]


class Judge(Call):
    """A model of the panel."""

    asks: int = Field(0, ge=0, description="The calls that it gets; filled in by the reader.")


def _named(said: Any) -> Any:
    return {"model": said} if isinstance(said, str) else said


class Panel(Reading, Choosing):
    """Who judges, what each judge reads at once, and how their scores become one."""

    step: Literal["judge"] = "judge"
    judges: list[Annotated[Judge, BeforeValidator(_named)]] = Field(
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
    prompt: str = Field(
        default_factory=lambda said: "score" if said.get("reads") == "each" else "judge",
        description="A prompt's name, a path, or the text; where each is read alone, `score`.",
    )
    otherwise: Literal["fail", "first"] = Field(
        "fail", description="Where no verdict can be read: fail, or let the first answer stand."
    )
    anonymise: bool | None = True

    def calls(self, seats: int) -> int:
        """How often each judge is asked."""
        return seats if self.reads == "each" else 1

    def one(self, scores: Sequence[float]) -> float:
        """The scores of an answer as one."""
        if self.combine == "min":
            return min(scores)
        doubt = pvariance(scores) if self.combine == "careful" else 0.0
        return fmean(scores) - self.caution * doubt


async def judge(state: State, place: Place) -> dict[str, Any]:
    """Ask all judges at once; an answer that none has scored comes last."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Panel.model_validate(settings(state, place))
    texts = answers(state, place)
    if len(texts) == 1:
        return handed_on(state, place, list(texts), step.keep, {})
    ask = _each if step.reads == "each" else _all
    asked = [ask(state, place, one, f"judge {n}") for n, one in enumerate(step.judges, 1)]
    came = await asyncio.gather(*asked)
    scores = {f"judge {number}": said for number, (said, _) in enumerate(came, 1)}
    calls = {label: call for _, made in came for label, call in made.items()}
    record = {"calls": calls, **_verdict(step, texts, scores, calls)}
    if not record["combined"] and place.last and step.otherwise == "fail":
        first = next(iter(calls.values()))
        why = first["error"] or f"no score in {first['text'][:80]!r}"
        raise StepFailed(f"`{place.node}` got no score from any judge: {why}", record)
    if not record["combined"]:
        record["why"] = "no score could be read: the answers stand as they sit"
        return handed_on(state, place, list(texts), len(texts), record)
    left = [seat for seat in texts if seat not in record["combined"]]
    return handed_on(state, place, [*record["combined"], *left], step.keep, record)


def _verdict(
    step: Panel, texts: Mapping[str, str], scores: Mapping[str, Scores], calls: Mapping[str, Json]
) -> Json:
    """What each answer comes to, the best first, equals as they sit."""
    told = {seat: [said[seat] for said in scores.values() if seat in said] for seat in texts}
    ones = {seat: round(step.one(given), 4) for seat, given in told.items() if given}
    best = sorted(ones, key=lambda seat: -ones[seat])
    ties = [seat for seat in best if ones[seat] == ones[best[0]]]
    why = "equal scores: the first seat's answer stands before the others"
    return {
        "combine": step.combine,
        "scores": {judge: dict(sorted(said.items())) for judge, said in scores.items()},
        "combined": {seat: ones[seat] for seat in best},
        "grades": {seat: f"{ones[seat]:g} of {MOST}" for seat in best},
        "unparsed": sum(not call["parsed"] for call in calls.values()),
        **({"tie": ties, "why": why} if len(ties) > 1 else {}),
    }


async def _all(state: State, place: Place, one: Judge, label: str) -> tuple[Scores, Json]:
    """What the judge gives to all answers in one call."""
    order = list(shown(state, place))
    read = partial(scored, order=order)
    scores, call = await decided(state, place, one, Telling(alone=True), read, label)
    return scores or {}, {label: call}


async def _each(state: State, place: Place, one: Judge, label: str) -> tuple[Scores, Json]:
    """What the judge gives to each answer, having read no other."""
    texts = answers(state, place)
    labels = {seat: f"{label} on {seat}" for seat in texts}
    asked: list[Awaitable[tuple[float | None, Json]]] = [
        decided(state, place, one, Telling({seat: text}, alone=True), score, labels[seat])
        for seat, text in texts.items()
    ]
    came = dict(zip(texts, await asyncio.gather(*asked), strict=True))
    scores = {seat: value for seat, (value, _) in came.items() if value is not None}
    return scores, {labels[seat]: call for seat, (_, call) in came.items()}


def score(said: str) -> float | None:
    """The score that the last line with a number in bounds ends in."""
    for line in reversed(said.splitlines()):
        found = [value for value in map(float, SCORE.findall(line)) if LEAST <= value <= MOST]
        if found:
            return found[-1]
    return None


def scored(said: str, order: Sequence[str]) -> Scores | None:
    """The scores by seat, from the lines that hold a number and a score."""
    found = {
        order[int(number) - 1]: float(value)
        for number, value in LINE.findall(said)
        if 1 <= int(number) <= len(order) and LEAST <= float(value) <= MOST
    }
    return found or None
