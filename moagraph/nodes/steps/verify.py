"""Verify: check an answer without a model first, then by judges, and have it revised.

Each round is drawn as two nodes: `revise`, then `verify` again. Where a person decides in the
end, a `decide` stands behind them.
"""

import asyncio
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.settings import AnyCheck, ByTests, runs_unsafe
from moagraph.nodes.checks.verdict import Verdict
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.build import Telling, as_kept, hearing
from moagraph.nodes.messages.compose import question
from moagraph.nodes.messages.context import given
from moagraph.nodes.messages.fence import Reading, boundary, plain
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.policies.budget import within
from moagraph.nodes.policies.review import decision
from moagraph.nodes.state import Json, Place, State, answers, sample, settings, widest
from moagraph.nodes.step_support.answer import written
from moagraph.nodes.step_support.ask_parsed import decided
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step
from moagraph.prompts import render

ABSTAINS = "I have no answer that passes its checks."
UNVERIFIED = "This answer did not pass its checks."
FAILS_TESTS = "it fails its tests"
LONGEST_OUTPUT = 1000  # characters of what code left, as the writer reads it
IN_PROCESS = ("local", "scripted")  # providers that send nothing anywhere


class Judge(Call):
    """A model that says whether an answer passes."""

    prompt: str = Field("verify", description="A prompt's name, a path, or the text.")
    asks: int = Field(0, ge=0)


def _judge(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class Verify(Call, Reading, Step):
    """What checks the answer, which model revises it, and what happens where it still fails."""

    rooms: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    speaks: ClassVar[tuple[str, ...]] = ("question", "references", "feedback")
    settles: ClassVar[bool] = True
    single: ClassVar[bool] = True
    ends: ClassVar[bool] = True

    step: Literal["verify"] = "verify"
    prompt: str = Field("revise", description="How its model is told to revise.")
    checks: list[AnyCheck] = Field(default_factory=list, description="Run first; all must pass.")
    judges: list[Annotated[Judge, BeforeValidator(_judge)]] = Field(
        default_factory=list, description="Models that judge what has passed all checks."
    )
    rounds: int = Field(2, ge=0, le=10, description="How often it is revised at most.")
    otherwise: Literal["abstain", "ask", "keep"] = Field(
        "abstain", description="What happens where it still fails: `ask` pauses for a person."
    )
    unsafe: bool | None = Field(
        None, description="Run code that a model wrote even where there is no sandbox."
    )

    @model_validator(mode="after")
    def _verifies(self) -> "Verify":
        if not self.checks and not self.judges:
            raise ValueError("`verify` has nothing to verify by: say `checks` or `judges`")
        for check in self.checks:
            check.check_usable(bool(self.unsafe))
        return self

    @property
    def pauses(self) -> bool:
        """Where a person decides in the end."""
        return self.otherwise == "ask"

    def files(self, recipe: str) -> Sequence[str]:
        """The files that its checks read."""
        return [file for check in self.checks for file in check.files]

    def nodes(self, seats: int) -> tuple[str, ...]:
        """A node for each part of each round."""
        rounds = ("revise", "verify") * self.rounds
        return ("verify", *rounds, *(("decide",) if self.pauses else ()))

    def calls(self, seats: int) -> int:
        """One to revise in each round."""
        return self.rounds

    def judgings(self, seats: int) -> int:
        """Each judge reads the first answer, and each revision."""
        return self.rounds + 1


async def verify(state: State, place: Place) -> dict[str, Any]:
    """Check the answer; where no round is left, do what the recipe says."""
    step = Verify.model_validate(settings(state, place))
    texts = answers(state, place)
    text = "".join(texts.values())
    last = len(place.earlier) == 2 * step.rounds
    stuck = _stuck_record(state, place)
    if stuck and not last:
        return {}
    record = stuck or await _record(state, place, step, texts)
    if all(verdict["verdict"] == "passed" for verdict in record["verdicts"]):
        return _update(place, {**record, "settled": True, "text": text})
    if not last or step.pauses:
        return {"steps": {place.node: record}}
    complaints = "\n".join(f"- {why}" for why in record["complaints"])
    if step.otherwise == "abstain":
        refusal = f"{ABSTAINS}\n\n{complaints}"
        return _update(place, {**record, "abstained": True, "text": refusal})
    return _update(place, {**record, "text": f"{text}\n\n{UNVERIFIED}\n\n{complaints}"})


async def revise(state: State, place: Place) -> dict[str, Any]:
    """Have the model revise, with what was found wrong; where it fails, the answer stays."""
    records = [state["steps"].get(node, {}) for node in place.earlier]
    if any(record.get("stuck") for record in records):
        return {}
    values = settings(state, place)
    call = Call.model_validate({key: values[key] for key in values if key in Call.model_fields})
    outputs = _shows_outputs(state, call)
    telling = Telling(values={"feedback": feedback(state, place, records[-1], outputs)})
    messages = hearing(state, place, telling)
    slots = widest(state["recipe"])
    reply = await ask(within(state, call), messages, slots, sample(state, place))
    record: Json = {**reply.record(), "told": as_kept(telling, state, place)}
    if not reply.ok:
        record = {"calls": {"writer": record}, "stuck": True}
    return {"steps": {place.node: record}}


async def decide(state: State, place: Place) -> dict[str, Any]:
    """Pause with the answer and what was found wrong with it; no model is asked."""
    text = "".join(answers(state, place).values())
    complaints = state["steps"][place.earlier[-1]]["complaints"]
    edited = decision(place.layer, place.node, text, complaints)
    record: Json = {"text": text if edited is None else edited, "edited": edited is not None}
    return _update(place, record)


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


def feedback(state: State, place: Place, record: Json, outputs: bool) -> str:
    """What the writer is told: a line a complaint, and what code of the answer left as data.

    Args:
        state: For the boundary between instructions and data.
        place: The node that asks the writer.
        record: What was found wrong.
        outputs: Whether the writer may see what the code left.
    """
    step = Verify.model_validate(settings(state, place))
    checks: list[AnyCheck | None] = [*step.checks]
    sign = boundary(state["recipe"]["salt"], place.node)
    lines = []
    for verdict, check in zip_longest(record["verdicts"], checks):
        if not verdict or verdict["verdict"] != "failed":
            continue
        if not isinstance(check, ByTests):
            lines.append(f"- {verdict['why']}")
            continue
        lines.append(f"- {check.why or FAILS_TESTS}")
        if outputs:
            output = plain(verdict.get("output", verdict["why"])[:LONGEST_OUTPUT], sign)
            lines.append(render("test_output", boundary=sign, output=output))
    return "\n".join(lines)


def _shows_outputs(state: State, call: Call) -> bool:
    """In a private recipe, code of the answer says nothing to a model on another machine."""
    asked = [call, *call.substitutes]
    here = all(split(one.model)[0] in IN_PROCESS and not one.base_url for one in asked)
    return here or "vault" not in state["recipe"]


def _stuck_record(state: State, place: Place) -> Json | None:
    """The last verdicts, where a revision was of no use or did not work."""
    records = [state["steps"].get(node, {}) for node in place.earlier]
    if not any(record.get("stuck") for record in records):
        return None
    last = [record for record in records if "verdicts" in record][-1]
    return {key: value for key, value in last.items() if key not in ("calls", "unparsed")}


async def _record(state: State, place: Place, step: Verify, texts: dict[str, str]) -> Json:
    """The verdicts; no judge is asked about what the checks have refused."""
    asked, text = question(given(state, place)), "".join(texts.values())
    unsafe = bool(step.unsafe)
    checks = [run_check(check, asked, text, unsafe) for check in step.checks]
    verdicts, calls = list(await asyncio.gather(*checks)), dict[str, Json]()
    if not text.strip() and not checks:
        verdicts = [Verdict(by="verify", verdict="failed", why="the answer is empty")]
    unusable = (verdict["why"] for verdict in verdicts if verdict["verdict"] == "unusable")
    if (why := next(unusable, None)) is not None:
        raise StepFailed(f"`{place.node}` cannot verify: {why}")
    if all(verdict["verdict"] == "passed" for verdict in verdicts):
        judged = [_judged(state, place, step, number, texts) for number in range(len(step.judges))]
        for number, (verdict, call) in enumerate(await asyncio.gather(*judged), 1):
            verdicts.append(verdict)
            calls[f"judge {number}"] = call
    record: Json = {"verdicts": verdicts, "complaints": _complaints(verdicts)}
    if runs_unsafe(step.checks, unsafe):
        record["unsafe"] = True
    if not any(verdict["verdict"] == "failed" for verdict in verdicts):
        record["stuck"] = any(verdict["verdict"] == "broken" for verdict in verdicts)
    unparsed = sum(call["ok"] and not call["parsed"] for call in calls.values())
    return {**record, "calls": calls, "unparsed": unparsed}


def _complaints(verdicts: list[Verdict]) -> list[str]:
    """What to revise; where there is nothing, why there is no verdict."""
    failed = [verdict["why"] for verdict in verdicts if verdict["verdict"] == "failed"]
    broken = [f"not checked by {v['by']}: {v['why']}" for v in verdicts if v["verdict"] == "broken"]
    return failed or broken


async def _judged(
    state: State, place: Place, step: Verify, number: int, texts: dict[str, str]
) -> tuple[Verdict, Json]:
    judge = step.judges[number]
    telling = Telling(texts, prompt=judge.prompt, alone=True)
    label = f"judge {number + 1}"
    ruling, call = await decided(state, place, judge, telling, parse_ruling, label)
    if ruling is None:
        why = call["error"] or f"neither PASS nor FAIL in {call['text'][:80]!r}"
        return Verdict(by=judge.model, verdict="broken", why=why), call
    passes, reason = ruling
    if passes:
        return Verdict(by=judge.model, verdict="passed", why=""), call
    return Verdict(by=judge.model, verdict="failed", why=reason), call


def _update(place: Place, record: Json) -> dict[str, Any]:
    update: dict[str, Any] = {"steps": {place.node: record}}
    return {**update, "messages": [written(record["text"])]} if place.last else update
