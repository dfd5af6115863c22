"""Judges that ask nobody: the answer is the reference, or ends in the same number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

SIGN = r"(?:(?<![^\W_])(?<![%°])-)?"  # behind a number or its unit it is a range's hyphen
NUMBER = re.compile(rf"{SIGN}\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|{SIGN}\.\d+")
QUOTES = "\"'`* \t\n"
MINUS = "\N{MINUS SIGN}"  # as models typeset it


@dataclass(frozen=True)
class Match:
    """1 where the answer matches the reference, else 0; `method` is how they are compared."""

    name: str
    method: str
    compares: bool = False
    recipe: Json | None = None

    def trials(self, case: Case) -> Sequence[Trial]:
        """One, for rows with a reference; without any it cannot judge."""
        if case.reference is None:
            raise UsageError(
                f"`{self.name}` needs an answer to compare with, and row {case.item.id!r} has "
                "none: give the row a `reference`"
            )
        if self.method == "numeric" and number(case.reference) is None:
            raise UsageError(f"row {case.item.id!r}: its reference holds no number")
        return [Trial(case, {"answer": case.answers[-1], "reference": case.reference})]

    async def rule(self, trial: Trial) -> Ruling:
        """Compare."""
        answer, reference = trial.said["answer"], trial.said["reference"]
        same = same_number if self.method == "numeric" else same_text
        return Ruling([Verdict(score=float(same(answer, reference)))])


def same_text(answer: str, reference: str) -> bool:
    """The same but for case, white space, quotes around it, and a full stop behind it."""
    return _bare(answer) == _bare(reference)


def same_number(answer: str, reference: str) -> bool:
    """The last number of each, as GSM8K's answers are compared."""
    said, right = number(answer), number(reference)
    return said is not None and right is not None and isclose(said, right, rel_tol=1e-6)


def number(text: str) -> float | None:
    """The last number in the text."""
    found = NUMBER.findall(text.replace(MINUS, "-"))
    return float(found[-1].replace(",", "")) if found else None


def _bare(text: str) -> str:
    return " ".join(text.lstrip(QUOTES).rstrip(f"{QUOTES}.").casefold().split())
