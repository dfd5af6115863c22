"""Gate: whether a layer's answer is good enough to end the turn; if not, the next layer is asked.

A gate changes nothing of what later layers read: an answer that is not good enough is not handed
on by it, nor held back.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.settings import AnyCheck, runs_unsafe
from moagraph.nodes.messages.build import Telling
from moagraph.nodes.messages.compose import question
from moagraph.nodes.messages.context import given
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import gives_logprobs
from moagraph.nodes.state import Json, Place, State, answers, passed, seats, settings
from moagraph.nodes.step_support.answer import written
from moagraph.nodes.step_support.ask_parsed import decided
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.texts.agreement import Like, agreement

BEST = 10
LEAST = {"agree": 0.67, "judge": 8.0, "verify": 0.0, "logprob": -0.5}
MOST = {"agree": 1.0, "judge": 10.0, "verify": 1.0, "logprob": 0.0}


class Judge(Call):
    """A model that scores an answer."""

    asks: int = Field(0, ge=0, description="Its calls; filled in by the reader.")


def _judges(said: Any) -> Any:
    listed = said if isinstance(said, list) else [said]
    return [{"model": one} if isinstance(one, str) else one for one in listed]


class Gate(Reading, Step):
    """What an answer has to be, so that no further layer is asked."""

    settles: ClassVar[bool] = True

    step: Literal["gate"] = "gate"
    by: Literal["agree", "judge", "verify", "logprob"] = Field(
        "agree",
        description="Do the answers agree, does a model approve, does a rule hold, "
        "was the model sure of its words.",
    )
    at_least: float | None = Field(
        None,
        description="agree, verify: a share of the answers (0.67, any); judge: a score from 1 to "
        "10 (8); logprob: of a token, on average (-0.5).",
    )
    like: Like = Field("exact", description="What agreeing means.")
    similar: float = Field(0.6, gt=0, le=1, description='How alike, for like = "similar".')
    judges: Annotated[list[Judge], BeforeValidator(_judges)] = Field(
        default_factory=list, description="judge: who scores each answer; several, on average."
    )
    prompt: str = Field("gate", description="A prompt's name, a path, or the text.")
    checks: list[AnyCheck] = Field(
        default_factory=list, description="verify: as of `verify`; an answer must pass them all."
    )
    unsafe: bool | None = Field(
        None, description="verify: run code that a model wrote even where there is no sandbox."
    )

    @model_validator(mode="after")
    def _complete(self) -> "Gate":
        if (self.by == "judge") != bool(self.judges):
            raise ValueError('`by = "judge"` and `judges = "provider:model"` go together')
        if (self.by == "verify") != bool(self.checks):
            raise ValueError('`by = "verify"` and `checks = [{ by = "regex", … }]` go together')
        if self.least > MOST[self.by] or (self.by != "logprob" and self.least < 0):
            least = "" if self.by == "logprob" else "from 0 "
            raise ValueError(
                f"`at_least` {self.least:g}: by {self.by!r} it goes {least}up to {MOST[self.by]:g}"
            )
        for check in self.checks:
            check.check_usable(bool(self.unsafe))
        return self

    @property
    def least(self) -> float:
        """The score from which on an answer is good enough."""
        return LEAST[self.by] if self.at_least is None else self.at_least

    @property
    def weighs(self) -> bool:
        """Only by log-probability."""
        return self.by == "logprob"

    def calls(self, seats: int) -> int:
        """A judge scores each answer on its own."""
        return seats if self.judges else 0

    def refusal(self, seats: Sequence[Any], last: bool) -> str | None:
        """A gate saves a layer; and one answer agrees with itself."""
        if last:
            return "a `gate` saves the layers behind it, and this is the last one"
        if self.by == "agree" and len(seats) < 2:
            return '`by = "agree"` needs two seats or more: one answer always agrees with itself'
        asked = [one for seat in seats for one in (seat, *seat.fallbacks)]
        silent = next((one.model for one in asked if not gives_logprobs(one)), None)
        if self.by == "logprob" and silent:
            return f'`by = "logprob"` needs log-probabilities, and `{silent}` gives none'
        return None


@dataclass(frozen=True)
class Verdict:
    """The best answer, how good it is, and why."""

    seat: str
    score: float | None
    why: str
    notes: Json = field(default_factory=dict)


async def gate(state: State, place: Place) -> dict[str, Any]:
    """Score what the layer hands on; a good answer is the turn's, another changes nothing."""
    if passed(state, place.layer):
        return {}
    step = Gate.model_validate(settings(state, place))
    texts = answers(state, place)
    found = await SCORES[step.by](state, place, step, texts)
    settled = found.score is not None and round(found.score, 2) >= step.least
    if step.by == "verify":
        settled = settled and bool(found.score)
    record = {"settled": settled, "score": found.score, "why": found.why, **found.notes}
    if not settled:
        return {"steps": {place.node: record}}
    text = texts[found.seat]
    update: dict[str, Any] = {"steps": {place.node: {**record, "seat": found.seat, "text": text}}}
    kind = str(_proposals(state, place).get(found.seat, {}).get("kind", "ok"))
    return {**update, "messages": [written(text, kind)]} if place.last else update


async def _agree(state: State, place: Place, step: Gate, texts: Mapping[str, str]) -> Verdict:
    """The share of the seats, those that failed among them, that say the same."""
    failed = [p for p in _proposals(state, place).values() if not p["ok"] and p["attempts"]]
    asked = len(texts) + len(failed)
    found = agreement(texts, step.like, step.similar)
    if len(found.seats) < 2:
        return Verdict(found.best, 0.0, f"no two of {asked} answers agree", {"agree": []})
    why = f"{len(found.seats)} of {asked} answers agree"
    return Verdict(found.best, len(found.seats) / asked, why, {"agree": found.seats})


async def _judge(state: State, place: Place, step: Gate, texts: Mapping[str, str]) -> Verdict:
    """The mean of the judges' scores; one who gives none, twice, is counted and left out."""
    asked = [
        (f"{number}.{seat}", judge, seat)
        for number, judge in enumerate(step.judges, 1)
        for seat in texts
    ]
    told = await asyncio.gather(
        *(
            decided(state, place, judge, Telling({seat: texts[seat]}, alone=True), score, label)
            for label, judge, seat in asked
        )
    )
    scores: dict[str, list[int]] = {seat: [] for seat in texts}
    for (_, _, seat), (value, _) in zip(asked, told, strict=True):
        scores[seat] += [] if value is None else [value]
    means = {seat: mean(given) for seat, given in scores.items() if given}
    unparsed = sum(value is None for value, _ in told)
    notes = {
        "calls": {label: call for (label, _, _), (_, call) in zip(asked, told, strict=True)},
        "unparsed": unparsed,
        "scores": means,
    }
    silent = f"; {unparsed} of {len(told)} verdicts could not be read" if unparsed else ""
    if not means:
        return Verdict(next(iter(texts)), None, f"no verdict{silent}", notes)
    best = max(means, key=lambda seat: means[seat])
    return Verdict(best, means[best], f"{means[best]:.3g} of {BEST}{silent}", notes)


async def _verify(state: State, place: Place, step: Gate, texts: Mapping[str, str]) -> Verdict:
    """The first answer that passes all checks, and the share that does."""
    asked = question(given(state, place))
    told = await asyncio.gather(*(_failure(step, asked, text) for text in texts.values()))
    bad = {seat: why for seat, why in zip(texts, told, strict=True) if why}
    good = [seat for seat in texts if seat not in bad]
    why = f"{len(good)} of {len(texts)} hold" + "".join(f"; {seat}: {bad[seat]}" for seat in bad)
    notes: Json = {"failed": bad}
    if runs_unsafe(step.checks, bool(step.unsafe)):
        notes["unsafe"] = True
    return Verdict([*good, *texts][0], len(good) / len(texts), why, notes)


async def _failure(step: Gate, asked: str, text: str) -> str | None:
    """Why an answer does not hold; a check that breaks has not passed either."""
    for check in step.checks:
        found = await run_check(check, asked, text, bool(step.unsafe))
        if found["verdict"] != "passed":
            return f"{check.by}: {found['why']}"
    return None


async def _logprob(state: State, place: Place, step: Gate, texts: Mapping[str, str]) -> Verdict:
    """The answer whose tokens were likeliest, on average, to the model that gave it."""
    told = {seat: _proposals(state, place).get(seat, {}).get("logprob") for seat in texts}
    known = {seat: value for seat, value in told.items() if value is not None}
    if not known:
        why = "no log-probabilities came with the answers"
        return Verdict(next(iter(texts)), None, why)
    best = max(known, key=lambda seat: known[seat])
    why = f"{known[best]:.3g} a token, on average"
    return Verdict(best, known[best], why, {"scores": known})


Scores = Callable[[State, Place, Gate, Mapping[str, str]], Awaitable[Verdict]]
SCORES: dict[str, Scores] = {
    "agree": _agree,
    "judge": _judge,
    "verify": _verify,
    "logprob": _logprob,
}


def score(said: str) -> int | None:
    """The score in the last line that holds one; yes is the best, and no the worst."""
    for line in reversed(said.splitlines()):
        numbers = re.findall(r"(?<![\d.])\d+(?![\d]|\.\d)", re.sub(r"/\s*10\b", "", line))
        if numbers:
            return int(numbers[-1]) if 1 <= int(numbers[-1]) <= BEST else None
        words = re.findall(r"\b(?:yes|no)\b", line.casefold())
        if words:
            return BEST if words[-1] == "yes" else 1
    return None


def _proposals(state: State, place: Place) -> dict[str, Any]:
    return dict(seats(state, place.reads[0])) if place.reads else {}
