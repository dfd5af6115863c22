"""Gate: end the turn if a layer's answer is good enough; otherwise the next layer runs.

A gate does not change what later layers read.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.hooks import parse_checks, run_check
from moagraph.nodes.messages.build import PromptArguments
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import gives_logprobs
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import Step, Update
from moagraph.nodes.texts.agreement import Like, largest_agreement

HIGHEST = 10
DEFAULT_THRESHOLDS = {"agree": 0.67, "judge": 8.0, "verify": 0.0, "logprob": -0.5}
MAX_THRESHOLDS = {"agree": 1.0, "judge": 10.0, "verify": 1.0, "logprob": 0.0}


class GateJudge(Call):
    """A model that scores an answer."""

    asks: int = Field(0, ge=0, description="Its calls; filled in by the reader.")


def _judge_list(settings: Any) -> Any:
    judges = settings if isinstance(settings, list) else [settings]
    return [{"model": judge} if isinstance(judge, str) else judge for judge in judges]


class Gate(Reading, Step):
    """When an answer is good enough, so that no further layer runs."""

    may_end_turn: ClassVar[bool] = True

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
    judges: Annotated[list[GateJudge], BeforeValidator(_judge_list)] = Field(
        default_factory=list, description="judge: who scores each answer; several, on average."
    )
    prompt: Prompt = Field("gate", description="A prompt's name, a path, or the text.")
    checks: Annotated[list[Any], BeforeValidator(parse_checks)] = Field(
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
        if self.threshold > MAX_THRESHOLDS[self.by] or (
            self.by != "logprob" and self.threshold < 0
        ):
            lower = "" if self.by == "logprob" else "from 0 "
            raise ValueError(
                f"`at_least` {self.threshold:g}: by {self.by!r} it goes {lower}up to "
                f"{MAX_THRESHOLDS[self.by]:g}"
            )
        for check in self.checks:
            check.check_usable(self.unsafe)
        return self

    @property
    def threshold(self) -> float:
        """The lowest score of a good answer."""
        return DEFAULT_THRESHOLDS[self.by] if self.at_least is None else self.at_least

    @property
    def needs_logprobs(self) -> bool:
        """Only by log-probability."""
        return self.by == "logprob"

    def call_count(self, seats: int) -> int:
        """A judge scores each answer on its own."""
        return seats if self.judges else 0

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """A gate saves a layer; and one answer agrees with itself."""
        if last:
            return "a `gate` saves the layers behind it, and this is the last one"
        if self.by == "agree" and len(seats) < 2:
            return '`by = "agree"` needs two seats or more: one answer always agrees with itself'
        calls = [call for seat in seats for call in (seat, *seat.fallbacks)]
        silent = next((call.model for call in calls if not gives_logprobs(call)), None)
        if self.by == "logprob" and silent:
            return f'`by = "logprob"` needs log-probabilities, and `{silent}` gives none'
        return None

    async def run(self, view: NodeView) -> Update:
        """Score what the layer passes on; a good answer ends the turn, another changes nothing."""
        if view.layer_skipped:
            return {}
        texts = view.answers
        result = await METHODS[self.by](view, self, texts)
        settled = result.score is not None and round(result.score, 2) >= self.threshold
        if self.by == "verify":
            settled = settled and bool(result.score)
        record = {"settled": settled, "score": result.score, "why": result.reason, **result.notes}
        if not settled:
            return {"steps": {view.spec.name: record}}
        text = texts[result.seat]
        update: dict[str, Any] = {
            "steps": {view.spec.name: {**record, "seat": result.seat, "text": text}}
        }
        kind = str(_proposals(view).get(result.seat, {}).get("kind", "ok"))
        return (
            {**update, "messages": [message_of_text(text, kind)]} if view.spec.ends_turn else update
        )


@dataclass(frozen=True)
class GateScore:
    """The best answer, its score, and the reason."""

    seat: str
    score: float | None
    reason: str
    notes: Json = field(default_factory=dict)


async def _agree(view: NodeView, step: Gate, texts: Mapping[str, str]) -> GateScore:
    """Return the share of the seats, failed ones included, that give the same answer."""
    failed = [p for p in _proposals(view).values() if not p["ok"] and p["attempts"]]
    total = len(texts) + len(failed)
    group = largest_agreement(texts, step.like, step.similar)
    if len(group.seats) < 2:
        return GateScore(group.best, 0.0, f"no two of {total} answers agree", {"agree": []})
    reason = f"{len(group.seats)} of {total} answers agree"
    return GateScore(group.best, len(group.seats) / total, reason, {"agree": group.seats})


async def _judge(view: NodeView, step: Gate, texts: Mapping[str, str]) -> GateScore:
    """Return the mean of the judges' scores; a judge without a readable score is left out."""
    requests = [
        (f"{number}.{seat}", judge, seat)
        for number, judge in enumerate(step.judges, 1)
        for seat in texts
    ]
    results = await asyncio.gather(
        *(
            ask_parsed(
                view, judge, PromptArguments({seat: texts[seat]}, alone=True), parse_score, label
            )
            for label, judge, seat in requests
        )
    )
    scores: dict[str, list[int]] = {seat: [] for seat in texts}
    for (_, _, seat), (value, _) in zip(requests, results, strict=True):
        scores[seat] += [] if value is None else [value]
    means = {seat: mean(values) for seat, values in scores.items() if values}
    unparsed = sum(value is None for value, _ in results)
    notes = {
        "calls": {label: call for (label, _, _), (_, call) in zip(requests, results, strict=True)},
        "unparsed": unparsed,
        "scores": means,
    }
    silent = f"; {unparsed} of {len(results)} verdicts could not be read" if unparsed else ""
    if not means:
        return GateScore(next(iter(texts)), None, f"no verdict{silent}", notes)
    best = max(means, key=lambda seat: means[seat])
    return GateScore(best, means[best], f"{means[best]:.3g} of {HIGHEST}{silent}", notes)


async def _verify(view: NodeView, step: Gate, texts: Mapping[str, str]) -> GateScore:
    """Return the first answer that passes all checks, and the share that does."""
    question = question_of(conversation_of(view))
    failures = await asyncio.gather(*(_failure(step, question, text) for text in texts.values()))
    bad = {seat: reason for seat, reason in zip(texts, failures, strict=True) if reason}
    good = [seat for seat in texts if seat not in bad]
    reason = f"{len(good)} of {len(texts)} hold" + "".join(f"; {seat}: {bad[seat]}" for seat in bad)
    notes: Json = {"failed": bad}
    if any(check.runs_unsafe(step.unsafe) for check in step.checks):
        notes["unsafe"] = True
    return GateScore([*good, *texts][0], len(good) / len(texts), reason, notes)


async def _failure(step: Gate, question: str, text: str) -> str | None:
    """Return why an answer fails; a check that breaks has not passed either."""
    for check in step.checks:
        result = await run_check(check, question, text, step.unsafe)
        if result["verdict"] != "passed":
            return f"{check.by}: {result['why']}"
    return None


async def _logprob(view: NodeView, step: Gate, texts: Mapping[str, str]) -> GateScore:
    """Return the answer whose tokens were the most likely, on average, to its model."""
    logprobs = {seat: _proposals(view).get(seat, {}).get("logprob") for seat in texts}
    values = {seat: value for seat, value in logprobs.items() if value is not None}
    if not values:
        reason = "no log-probabilities came with the answers"
        return GateScore(next(iter(texts)), None, reason)
    best = max(values, key=lambda seat: values[seat])
    reason = f"{values[best]:.3g} a token, on average"
    return GateScore(best, values[best], reason, {"scores": values})


Method: TypeAlias = Callable[[NodeView, Gate, Mapping[str, str]], Awaitable[GateScore]]
METHODS: dict[str, Method] = {
    "agree": _agree,
    "judge": _judge,
    "verify": _verify,
    "logprob": _logprob,
}


def parse_score(text: str) -> int | None:
    """Parse the score in the last line that has one; yes is the best, and no the worst."""
    for line in reversed(text.splitlines()):
        numbers = re.findall(r"(?<![\d.])\d+(?![\d]|\.\d)", re.sub(r"/\s*10\b", "", line))
        if numbers:
            return int(numbers[-1]) if 1 <= int(numbers[-1]) <= HIGHEST else None
        words = re.findall(r"\b(?:yes|no)\b", line.casefold())
        if words:
            return HIGHEST if words[-1] == "yes" else 1
    return None


def _proposals(view: NodeView) -> dict[str, Any]:
    return dict(view.proposals(view.spec.reads[0])) if view.spec.reads else {}
