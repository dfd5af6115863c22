"""The judge protocol: a judge makes trials from a case, and rules on each trial with verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from moagraph.evals.dataset import Item, digest, digest_answers
from moagraph.nodes.errors import RunError
from moagraph.nodes.state import Json

Order = Literal["ab", "ba"]  # the order of the answers: "ab" has the system's first


class NoVerdict(RunError):
    """The judge gave no reply; the next run of the same command asks it again."""


@dataclass(frozen=True)
class JudgeCase:
    """A system's answers to a row up to one turn, and the baseline's if the two are compared."""

    item: Item
    system: str
    answers: tuple[str, ...]
    baseline: str | None = None
    baseline_answers: tuple[str, ...] = ()

    @property
    def turn(self) -> int:
        """The number of the judged turn; the first is 1."""
        return len(self.answers)

    @property
    def questions(self) -> tuple[str, ...]:
        """The user's turns up to the judged one."""
        return self.item.turns[: self.turn]

    @property
    def reference(self) -> str | None:
        """The turn's reference answer; None if the row has none."""
        references = self.item.references
        return references[self.turn - 1] if len(references) >= self.turn else None


@dataclass(frozen=True)
class Trial:
    """One request to a judge; `inputs` has everything that determines its verdicts."""

    case: JudgeCase
    inputs: Json
    prompt: str = ""
    order: Order | None = None
    skills: tuple[str, ...] = ()

    @property
    def answers_digest(self) -> str:
        """A hash of the judged answers, and of the baseline's if the trial compares them."""
        case = self.case
        return digest_answers(case.answers, case.baseline_answers if self.order else None)

    def keys(self, judge: str) -> list[str]:
        """Return the keys under which the verdicts are stored: one, or one for each skill.

        Args:
            judge: The judge's name.
        """
        case, baseline = self.case, self.case.baseline if self.order else None
        identity = [judge, case.system, baseline, str(case.item.id), case.turn, self.order]
        identity.append(self.answers_digest)
        key = digest([identity, self.prompt, self.inputs])
        return [f"{key}:{skill}" for skill in self.skills] or [key]


@dataclass(frozen=True)
class JudgeVerdict:
    """A preference or a score; `parsed` is false for a reply that could not be parsed."""

    preference: float | None = None  # from 1, the baseline is better, to 2, the system is better
    score: float | None = None
    skill: str | None = None
    parsed: bool = True


@dataclass(frozen=True)
class Ruling:
    """The verdicts of one trial, the judge's text, and its cost."""

    verdicts: Sequence[JudgeVerdict]
    text: str = ""
    cost_usd: float | None = None
    usage: Json = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0, "calls": 0})


class AnswerJudge(Protocol):
    """A model, a function or a record that judges answers."""

    @property
    def name(self) -> str:
        """The name that the user wrote."""

    @property
    def method(self) -> str:
        """How it judges, such as `pairwise` or `grade`."""

    @property
    def compares(self) -> bool:
        """Whether it needs a baseline's answer besides the system's."""

    @property
    def recipe(self) -> Json | None:
        """The judge's model call in the form of a recipe; None if it calls no model."""

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return the trials of a case; a case that it cannot judge is refused, without any call."""

    async def rule(self, trial: Trial) -> Ruling:
        """Judge the trial."""
