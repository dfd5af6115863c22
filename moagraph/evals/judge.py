"""What a judge is: it is given a case, says what it would be asked, and rules on each of those."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from moagraph.evals.dataset import Item, digest, heard
from moagraph.nodes.errors import RunError
from moagraph.nodes.state import Json

Order = Literal["ab", "ba"]  # which answer is shown first: "ab" the system's, "ba" the baseline's


class NoVerdict(RunError):
    """The judge could not be asked; the same command asks again."""


@dataclass(frozen=True)
class Case:
    """A system's answers to a row up to one turn, and a baseline's where they are compared."""

    item: Item
    system: str
    answers: tuple[str, ...]
    baseline: str | None = None
    against: tuple[str, ...] = ()

    @property
    def turn(self) -> int:
        """The turn that is judged, counted from 1."""
        return len(self.answers)

    @property
    def questions(self) -> tuple[str, ...]:
        """What was asked up to there."""
        return self.item.turns[: self.turn]

    @property
    def reference(self) -> str | None:
        """What a good answer to the turn is, where that is known."""
        known = self.item.references
        return known[self.turn - 1] if len(known) >= self.turn else None


@dataclass(frozen=True)
class Trial:
    """One thing that a judge is asked; `said` is all that its verdict hangs on."""

    case: Case
    said: Json
    prompt: str = ""
    order: Order | None = None
    skills: tuple[str, ...] = ()

    @property
    def heard(self) -> str:
        """The answers up to the turn, and the baseline's where it is shown."""
        return heard(self.case.answers, self.case.against if self.order else None)

    def keys(self, judge: str) -> list[str]:
        """Of its verdicts: one, or one a skill."""
        case, compared = self.case, self.case.baseline if self.order else None
        where = [judge, case.system, compared, str(case.item.id), case.turn, self.order]
        where.append(self.heard)
        key = digest([where, self.prompt, self.said])
        return [f"{key}:{skill}" for skill in self.skills] or [key]


@dataclass(frozen=True)
class Verdict:
    """What a judge found; one that could not be read is kept as such."""

    preference: float | None = None  # 1 the baseline is better … 2 the system is
    score: float | None = None
    skill: str | None = None
    parsed: bool = True


@dataclass(frozen=True)
class Ruling:
    """The verdicts of one trial, the judge's words, and what they took."""

    verdicts: Sequence[Verdict]
    text: str = ""
    cost_usd: float | None = None
    usage: Json = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0, "calls": 0})


class Judge(Protocol):
    """Whoever says how good an answer is."""

    @property
    def name(self) -> str:
        """As it was asked for."""

    @property
    def method(self) -> str:
        """How it judges."""

    @property
    def compares(self) -> bool:
        """Whether it needs a baseline's answer beside the system's."""

    @property
    def recipe(self) -> Json | None:
        """The model that it asks, in the form of a recipe; None where it asks nobody."""

    def trials(self, case: Case) -> Sequence[Trial]:
        """What it would be asked about the case; refused here, it has cost nothing."""

    async def rule(self, trial: Trial) -> Ruling:
        """Ask."""
