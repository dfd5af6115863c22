"""Verify: check an answer without a model first, then by judges, and have it revised."""

import asyncio
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.settings import AnyCheck, ByTests
from moagraph.nodes.checks.verdict import CheckVerdict
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.messages.fence import Reading, boundary, clean_for_fence
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.policies.budget import limit_call
from moagraph.nodes.policies.review import review_answer
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step, Update
from moagraph.prompts import render

ABSTAINS = "I have no answer that passes its checks."
UNVERIFIED = "This answer did not pass its checks."
FAILS_TESTS = "it fails its tests"
MAX_OUTPUT = 1000  # characters of what code said, as the writer reads it
IN_PROCESS = ("local", "scripted")  # providers that send nothing anywhere


class VerifyJudge(Call):
    """A model that says whether an answer passes."""

    prompt: Prompt = Field("verify", description="A prompt's name, a path, or the text.")
    asks: int = Field(0, ge=0)


def _judge(settings: Any) -> Any:
    return {"model": settings} if isinstance(settings, str) else settings


class Verify(Call, Reading, Step):
    """What checks the answer, which model revises it, and what happens if it still fails."""

    positions: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    prompt_variables: ClassVar[tuple[str, ...]] = ("question", "references", "feedback")
    may_end_turn: ClassVar[bool] = True
    needs_single_answer: ClassVar[bool] = True
    must_be_last: ClassVar[bool] = True

    step: Literal["verify"] = "verify"
    prompt: Prompt = Field("revise", description="How its model is told to revise.")
    checks: list[AnyCheck] = Field(default_factory=list, description="Run first; all must pass.")
    judges: list[Annotated[VerifyJudge, BeforeValidator(_judge)]] = Field(
        default_factory=list, description="Models that judge what has passed all checks."
    )
    rounds: int = Field(2, ge=0, le=10, description="How often it is revised at most.")
    otherwise: Literal["abstain", "ask", "keep"] = Field(
        "abstain", description="What happens if it still fails: `ask` pauses for a person."
    )
    unsafe: bool | None = Field(
        None, description="Run code that a model wrote even where there is no sandbox."
    )

    @model_validator(mode="after")
    def _verifies(self) -> "Verify":
        if not self.checks and not self.judges:
            raise ValueError("`verify` has nothing to verify by: say `checks` or `judges`")
        for check in self.checks:
            check.check_usable(self.unsafe)
        return self

    @property
    def may_pause(self) -> bool:
        """Where a person decides in the end."""
        return self.otherwise == "ask"

    def files(self, recipe: str) -> Sequence[str]:
        """The files that its checks read."""
        return [file for check in self.checks for file in check.files]

    def node_kinds(self, seats: int) -> tuple[str, ...]:
        """A node for each part of each round."""
        rounds = ("revise", "verify") * self.rounds
        return ("verify", *rounds, *(("decide",) if self.may_pause else ()))

    def call_count(self, seats: int) -> int:
        """One to revise in each round."""
        return self.rounds

    def calls_per_judge(self, seats: int) -> int:
        """Each judge reads the first answer, and each revision."""
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
        fields = {k: v for k, v in view.settings.items() if k in Call.model_fields}
        call = Call.model_validate(fields)
        feedback = self._feedback(view, records[-1]["verdicts"], _shows_output(view, call))
        arguments = PromptArguments(values={"feedback": feedback})
        messages = MessageBuilder(view, arguments)
        reply = await ask(limit_call(view.state, call), messages, view.concurrency, view.cache_key)
        record: Json = {**reply.record(), "told": messages.to_record()}
        if not reply.ok:
            record = {"calls": {"writer": record}, "stuck": True}
        return {"steps": {view.spec.name: record}}

    def _feedback(self, view: NodeView, verdicts: list[CheckVerdict], shows_output: bool) -> str:
        """What the writer is told: a line a complaint, and what code of the answer said as data."""
        separator = boundary(view.recipe["salt"], view.spec.name)
        lines = []
        for verdict, check in zip_longest(verdicts, self.checks[: len(verdicts)]):
            if verdict["verdict"] != "failed":
                continue
            if not isinstance(check, ByTests):
                lines.append(f"- {verdict['why']}")
                continue
            lines.append(f"- {check.why or FAILS_TESTS}")
            if shows_output:
                output = verdict.get("output", verdict["why"])[:MAX_OUTPUT]
                output = clean_for_fence(output, separator)
                lines.append(render("test_output", boundary=separator, output=output))
        return "\n".join(lines)

    async def _decide(self, view: NodeView) -> Update:
        """Pause with the answer and the complaints; a person accepts, replaces or stops."""
        text = "".join(view.answers.values())
        complaints = view.records[view.spec.earlier_rounds[-1]]["complaints"]
        edited = review_answer(view.spec.layer, view.spec.name, text, complaints)
        final = {"text": text if edited is None else edited, "edited": edited is not None}
        return _final(view.spec, final)


def parse_ruling(response: str) -> tuple[bool, str] | None:
    """PASS or FAIL as the last line that begins with either says, and the reason."""
    lines = [line.strip(" \t*#`-_>") for line in response.splitlines()]
    matches = [
        (n, re.match(r"(PASS|FAIL)(?:ED|S)?\b\W*(.*)", line, re.I)) for n, line in enumerate(lines)
    ]
    rulings = [(n, match) for n, match in matches if match]
    if not rulings:
        return None
    number, match = rulings[-1]
    reason = match[2].strip() or " ".join(filter(None, lines[:number]))
    return match[1].upper() == "PASS", reason or "no reason was given"


def _shows_output(view: NodeView, call: Call) -> bool:
    """In a private recipe, code of the answer says nothing to a model on another machine."""
    calls = [call, *call.substitutes]
    here = all(split(each.model)[0] in IN_PROCESS and not each.base_url for each in calls)
    return here or "vault" not in view.recipe


def _stuck(view: NodeView) -> Json | None:
    """The last verdicts, where a revision was of no use or did not work."""
    records = [view.records.get(node, {}) for node in view.spec.earlier_rounds]
    if not any(record.get("stuck") for record in records):
        return None
    last = [record for record in records if "verdicts" in record][-1]
    return {key: value for key, value in last.items() if key not in ("calls", "unparsed")}


async def _record(view: NodeView, step: Verify, texts: dict[str, str]) -> Json:
    """The verdicts; no judge is asked about what the checks have refused."""
    question, text = question_of(conversation_of(view)), "".join(texts.values())
    checks = [run_check(check, question, text, step.unsafe) for check in step.checks]
    verdicts, calls = list(await asyncio.gather(*checks)), dict[str, Json]()
    if not text.strip() and not checks:
        verdicts = [CheckVerdict(by="verify", verdict="failed", why="the answer is empty")]
    unusable = (verdict["why"] for verdict in verdicts if verdict["verdict"] == "unusable")
    if (reason := next(unusable, None)) is not None:
        raise StepFailed(f"`{view.spec.name}` cannot verify: {reason}")
    if all(verdict["verdict"] == "passed" for verdict in verdicts):
        judged = [_judged(view, step, number, texts) for number in range(len(step.judges))]
        for number, (verdict, call) in enumerate(await asyncio.gather(*judged), 1):
            verdicts.append(verdict)
            calls[f"judge {number}"] = call
    record: Json = {"verdicts": verdicts, "complaints": _complaints(verdicts)}
    if any(check.runs_unsafe(step.unsafe) for check in step.checks):
        record["unsafe"] = True
    if not any(verdict["verdict"] == "failed" for verdict in verdicts):
        record["stuck"] = any(verdict["verdict"] == "broken" for verdict in verdicts)
    unparsed = sum(call["ok"] and not call["parsed"] for call in calls.values())
    return {**record, "calls": calls, "unparsed": unparsed}


def _complaints(verdicts: list[CheckVerdict]) -> list[str]:
    """What to revise; if there is nothing, why there is no verdict."""
    failed = [verdict["why"] for verdict in verdicts if verdict["verdict"] == "failed"]
    broken = [f"not checked by {v['by']}: {v['why']}" for v in verdicts if v["verdict"] == "broken"]
    return failed or broken


async def _judged(
    view: NodeView, step: Verify, number: int, texts: dict[str, str]
) -> tuple[CheckVerdict, Json]:
    judge = step.judges[number]
    arguments = PromptArguments(texts, prompt=judge.prompt, alone=True)
    ruling, call = await ask_parsed(view, judge, arguments, parse_ruling, f"judge {number + 1}")
    if ruling is None:
        reason = call["error"] or f"neither PASS nor FAIL in {call['text'][:80]!r}"
        return CheckVerdict(by=judge.model, verdict="broken", why=reason), call
    passes, reason = ruling
    if passes:
        return CheckVerdict(by=judge.model, verdict="passed", why=""), call
    return CheckVerdict(by=judge.model, verdict="failed", why=reason), call


def _final(spec: NodeSpec, record: Json) -> dict[str, Any]:
    update: dict[str, Any] = {"steps": {spec.name: record}}
    return {**update, "messages": [message_of_text(record["text"])]} if spec.ends_turn else update
