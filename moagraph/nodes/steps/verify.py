"""Verify: what can be checked without a model first, then by judges; what passes is the answer."""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from moagraph.nodes.step_support.answer import written
from moagraph.nodes.step_support.ask_parsed import decided
from moagraph.nodes.models.call import Call
from moagraph.nodes.checks.run import verdict
from moagraph.nodes.checks.settings import AnyCheck
from moagraph.nodes.checks.verdict import Verdict
from moagraph.nodes.messages.compose import question
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.messages.context import given
from moagraph.nodes.messages.build import Telling
from moagraph.nodes.state import Json, Place, State, answers, settings
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, Step

ABSTAINS = "I have no answer that passes its checks."
UNVERIFIED = "This answer did not pass its checks."


class Judge(Call):
    """A model that says whether an answer passes."""

    prompt: str = Field("verify", description="A prompt's name, a path, or the text.")
    asks: int = Field(0, ge=0)


def _a_judge(said: Any) -> Any:
    return {"model": said} if isinstance(said, str) else said


class Verify(Call, Reading, Step):
    """What verifies, which model writes anew what fails, and what is done in the end."""

    rooms: ClassVar[tuple[str, ...]] = (AGGREGATE, AFTER)
    speaks: ClassVar[tuple[str, ...]] = ("question", "references", "feedback")
    settles: ClassVar[bool] = True
    single: ClassVar[bool] = True
    ends: ClassVar[bool] = True

    step: Literal["verify"] = "verify"
    prompt: str = Field("revise", description="How its model is told to write anew.")
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
    def pauses(self) -> bool:
        """Where a person decides in the end."""
        return self.otherwise == "ask"

    def files(self, recipe: str) -> Sequence[str]:
        """What its checks read."""
        return [file for check in self.checks for file in check.files]

    def nodes(self, seats: int) -> tuple[str, ...]:
        """Each round is drawn."""
        rounds = ("revise", "verify") * self.rounds
        return ("verify", *rounds, *(("decide",) if self.pauses else ()))

    def calls(self, seats: int) -> int:
        """One to write anew in each round."""
        return self.rounds

    def judgings(self, seats: int) -> int:
        """Each judge reads what was written first, and what each round made of it."""
        return self.rounds + 1


async def verify(state: State, place: Place) -> dict[str, Any]:
    """Have the answer checked; where no round is left, do what the recipe says."""
    step = Verify.model_validate(settings(state, place))
    texts = answers(state, place)
    text = "".join(texts.values())
    last = len(place.earlier) == 2 * step.rounds
    stuck = _stuck(state, place)
    if stuck and not last:
        return {}
    record = stuck or await _record(state, place, step, texts)
    if all(one["verdict"] == "passed" for one in record["verdicts"]):
        return _left(place, {**record, "settled": True, "text": text})
    if not last or step.pauses:
        return {"steps": {place.node: record}}
    told = "\n".join(f"- {why}" for why in record["complaints"])
    if step.otherwise == "abstain":
        return _left(place, {**record, "abstained": True, "text": f"{ABSTAINS}\n\n{told}"})
    return _left(place, {**record, "text": f"{text}\n\n{UNVERIFIED}\n\n{told}"})


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


def _stuck(state: State, place: Place) -> Json | None:
    """What the last verdict was, where writing anew was of no use or did not work."""
    told = [state["steps"].get(node, {}) for node in place.earlier]
    if not any(record.get("stuck") for record in told):
        return None
    record = [one for one in told if "verdicts" in one][-1]
    return {key: value for key, value in record.items() if key not in ("calls", "unparsed")}


async def _record(state: State, place: Place, step: Verify, texts: dict[str, str]) -> Json:
    """The verdicts; no judge is asked about what the checks have refused."""
    asked, text = question(given(state, place)), "".join(texts.values())
    checks = [verdict(check, asked, text) for check in step.checks]
    verdicts, calls = list(await asyncio.gather(*checks)), dict[str, Json]()
    if not text.strip() and not checks:
        verdicts = [Verdict(by="verify", verdict="failed", why="the answer is empty")]
    if lacking := next((one["why"] for one in verdicts if one["verdict"] == "unusable"), None):
        raise StepFailed(f"`{place.node}` cannot verify: {lacking}")
    if all(one["verdict"] == "passed" for one in verdicts):
        judged = [_judged(state, place, step, number, texts) for number in range(len(step.judges))]
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
    state: State, place: Place, step: Verify, number: int, texts: dict[str, str]
) -> tuple[Verdict, Json]:
    judge = step.judges[number]
    telling = Telling(texts, prompt=judge.prompt, alone=True)
    ruled, call = await decided(state, place, judge, telling, ruling, f"judge {number + 1}")
    if ruled is None:
        why = call["error"] or f"neither PASS nor FAIL in {call['text'][:80]!r}"
        return Verdict(by=judge.model, verdict="broken", why=why), call
    passes, reason = ruled
    if passes:
        return Verdict(by=judge.model, verdict="passed", why=""), call
    return Verdict(by=judge.model, verdict="failed", why=reason), call


def _left(place: Place, record: Json) -> dict[str, Any]:
    update: dict[str, Any] = {"steps": {place.node: record}}
    return {**update, "messages": [written(record["text"])]} if place.last else update
