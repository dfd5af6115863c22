"""Verify: what can be checked without a model first, then by judges; what passes is the answer."""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.resources import Prompt
from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.models.call import Call
from moagraph.nodes.checks.run import verdict
from moagraph.nodes.checks.settings import AnyCheck
from moagraph.nodes.checks.verdict import Verdict
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.models.client import ask
from moagraph.nodes.policies.budget import within
from moagraph.nodes.policies.review import decision
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update

ABSTAINS = "I have no answer that passes its checks."
UNVERIFIED = "This answer did not pass its checks."


class Judge(Call):
    """A model that says whether an answer passes."""

    prompt: Prompt = Field("verify", description="A prompt's name, a path, or the text.")
    asks: int = Field(0, ge=0)


def _a_judge(said: Any) -> Any:
    return {"model": said} if isinstance(said, str) else said


class Verify(Call, Reading, Step):
    """What verifies, which model writes anew what fails, and what is done in the end."""

    positions: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    prompt_variables: ClassVar[tuple[str, ...]] = ("question", "references", "feedback")
    may_end_turn: ClassVar[bool] = True
    needs_single_answer: ClassVar[bool] = True
    must_be_last: ClassVar[bool] = True

    step: Literal["verify"] = "verify"
    prompt: Prompt = Field("revise", description="How its model is told to write anew.")
    checks: list[AnyCheck] = Field(default_factory=list, description="Asked first; all must pass.")
    judges: list[Annotated[Judge, BeforeValidator(_a_judge)]] = Field(
        default_factory=list, description="Models that are asked where all checks have passed."
    )
    rounds: int = Field(2, ge=0, le=10, description="How often it is written anew at most.")
    otherwise: Literal["abstain", "ask", "keep"] = Field(
        "abstain", description="What is done where it still fails: `ask` pauses for a person."
    )

    @model_validator(mode="after")
    def _verifies(self) -> "Verify":
        if not self.checks and not self.judges:
            raise ValueError("`verify` has nothing to verify by: say `checks` or `judges`")
        for check in self.checks:
            check.check_usable()
        return self

    @property
    def may_pause(self) -> bool:
        """Where a person decides in the end."""
        return self.otherwise == "ask"

    def files(self, recipe: str) -> Sequence[str]:
        """What its checks read."""
        return [file for check in self.checks for file in check.files]

    def node_kinds(self, seats: int) -> tuple[str, ...]:
        """Each round is drawn."""
        rounds = ("revise", "verify") * self.rounds
        return ("verify", *rounds, *(("decide",) if self.may_pause else ()))

    def call_count(self, seats: int) -> int:
        """One to write anew in each round."""
        return self.rounds

    def calls_per_judge(self, seats: int) -> int:
        """Each judge reads what was written first, and what each round made of it."""
        return self.rounds + 1

    async def run(self, view: NodeView) -> Update:
        """Check the answer, rewrite it, or let a person decide, by the kind of the node."""
        work = {"verify": self._verify, "revise": self._revise, "decide": self._decide}
        return await work[view.spec.kind](view)

    async def _verify(self, view: NodeView) -> Update:
        """Check the answer; after the last round, do what `otherwise` says."""
        text = "".join(view.answers.values())
        last = len(view.spec.earlier_rounds) == 2 * self.rounds
        stuck = _stuck(view)
        if stuck and not last:
            return {}
        record = stuck or await _record(view, self, view.answers)
        if all(verdict["verdict"] == "passed" for verdict in record["verdicts"]):
            return _final(view.spec, {**record, "settled": True, "text": text})
        if not last or self.may_pause:
            return {"steps": {view.spec.name: record}}
        complaints = "\n".join(f"- {reason}" for reason in record["complaints"])
        if self.otherwise == "abstain":
            abstention = {"abstained": True, "text": f"{ABSTAINS}\n\n{complaints}"}
            return _final(view.spec, {**record, **abstention})
        return _final(view.spec, {**record, "text": f"{text}\n\n{UNVERIFIED}\n\n{complaints}"})

    async def _revise(self, view: NodeView) -> Update:
        """Ask the writer for a new answer; if that fails, the answer stays as it was."""
        records = [view.records.get(node, {}) for node in view.spec.earlier_rounds]
        if any(record.get("stuck") for record in records):
            return {}
        feedback = "\n".join(f"- {reason}" for reason in records[-1]["complaints"])
        fields = {k: v for k, v in view.settings.items() if k in Call.model_fields}
        call = Call.model_validate(fields)
        telling = PromptArguments(values={"feedback": feedback})
        messages, key = MessageBuilder(view, telling), view.cache_key
        reply = await ask(within(view.state, call), messages, view.concurrency, key)
        record: Json = {**reply.record(), "told": MessageBuilder(view, telling).to_record()}
        if not reply.ok:
            record = {"calls": {"writer": record}, "stuck": True}
        return {"steps": {view.spec.name: record}}

    async def _decide(self, view: NodeView) -> Update:
        """Pause with the answer and the complaints; a person accepts, replaces or stops."""
        text = "".join(view.answers.values())
        complaints = view.records[view.spec.earlier_rounds[-1]]["complaints"]
        edited = decision(view.spec.layer, view.spec.name, text, complaints)
        final = {"text": text if edited is None else edited, "edited": edited is not None}
        return _final(view.spec, final)


def ruling(said: str) -> tuple[bool, str] | None:
    """PASS or FAIL as the last line that begins with either says, and the reason."""
    lines = [line.strip(" \t*#`-_>") for line in said.splitlines()]
    rulings = [
        (n, re.match(r"(PASS|FAIL)(?:ED|S)?\b\W*(.*)", line, re.I)) for n, line in enumerate(lines)
    ]
    found = [(n, match) for n, match in rulings if match]
    if not found:
        return None
    number, match = found[-1]
    reason = match[2].strip() or " ".join(filter(None, lines[:number]))
    return match[1].upper() == "PASS", reason or "no reason was given"


def _stuck(view: NodeView) -> Json | None:
    """What the last verdict was, where writing anew was of no use or did not work."""
    told = [view.records.get(node, {}) for node in view.spec.earlier_rounds]
    if not any(record.get("stuck") for record in told):
        return None
    record = [one for one in told if "verdicts" in one][-1]
    return {key: value for key, value in record.items() if key not in ("calls", "unparsed")}


async def _record(view: NodeView, step: Verify, texts: dict[str, str]) -> Json:
    """The verdicts; no judge is asked about what the checks have refused."""
    asked, text = question_of(conversation_of(view)), "".join(texts.values())
    checks = [verdict(check, asked, text) for check in step.checks]
    verdicts, calls = list(await asyncio.gather(*checks)), dict[str, Json]()
    if not text.strip() and not checks:
        verdicts = [Verdict(by="verify", verdict="failed", why="the answer is empty")]
    if lacking := next((one["why"] for one in verdicts if one["verdict"] == "unusable"), None):
        raise StepFailed(f"`{view.spec.name}` cannot verify: {lacking}")
    if all(one["verdict"] == "passed" for one in verdicts):
        judged = [_judged(view, step, number, texts) for number in range(len(step.judges))]
        for number, (ruled, call) in enumerate(await asyncio.gather(*judged), 1):
            verdicts.append(ruled)
            calls[f"judge {number}"] = call
    record: Json = {"verdicts": verdicts, "complaints": _complaints(verdicts)}
    if not any(one["verdict"] == "failed" for one in verdicts):
        record["stuck"] = any(one["verdict"] == "broken" for one in verdicts)
    unparsed = sum(call["ok"] and not call["parsed"] for call in calls.values())
    return {**record, "calls": calls, "unparsed": unparsed}


def _complaints(verdicts: list[Verdict]) -> list[str]:
    """What to write anew for; where there is none of that, why there is no verdict."""
    failed = [one["why"] for one in verdicts if one["verdict"] == "failed"]
    broken = [f"not checked by {v['by']}: {v['why']}" for v in verdicts if v["verdict"] == "broken"]
    return failed or broken


async def _judged(
    view: NodeView, step: Verify, number: int, texts: dict[str, str]
) -> tuple[Verdict, Json]:
    judge = step.judges[number]
    telling = PromptArguments(texts, prompt=judge.prompt, alone=True)
    ruled, call = await ask_parsed(view, judge, telling, ruling, f"judge {number + 1}")
    if ruled is None:
        reason = call["error"] or f"neither PASS nor FAIL in {call['text'][:80]!r}"
        return Verdict(by=judge.model, verdict="broken", why=reason), call
    passes, reason = ruled
    if passes:
        return Verdict(by=judge.model, verdict="passed", why=""), call
    return Verdict(by=judge.model, verdict="failed", why=reason), call


def _final(spec: NodeSpec, record: Json) -> dict[str, Any]:
    update: dict[str, Any] = {"steps": {spec.name: record}}
    return {**update, "messages": [message_of_text(record["text"])]} if spec.ends_turn else update
