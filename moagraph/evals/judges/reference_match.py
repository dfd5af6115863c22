"""The `exact` and `numeric` judges: compare the answer with the reference, without a model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

# A hyphen after a number or its unit joins a range: the last number of "20-25" is 25.
MINUS_PATTERN = r"(?:(?<![^\W_])(?<![%°])-)?"
NUMBER_PATTERN = re.compile(
    rf"{MINUS_PATTERN}\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|{MINUS_PATTERN}\.\d+"
)
QUOTES = "\"'`* \t\n"
MINUS_SIGN = "\N{MINUS SIGN}"  # models typeset negative numbers with it


@dataclass(frozen=True)
class ReferenceMatchJudge:
    """Scores 1 if the answer matches the reference, else 0; `method` selects the comparison."""

    name: str
    method: str
    compares: bool = False
    recipe: Json | None = None

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial; a row without a usable reference is refused."""
        if case.reference is None:
            raise UsageError(
                f"`{self.name}` compares answers with a reference, and row {case.item.id!r} has "
                "none: give the row a `reference`"
            )
        if self.method == "numeric" and last_number(case.reference) is None:
            raise UsageError(
                f"row {case.item.id!r}: `reference` {case.reference!r} contains no number, which "
                f"`{self.name}` needs"
            )
        return [Trial(case, {"answer": case.answers[-1], "reference": case.reference})]

    async def rule(self, trial: Trial) -> Ruling:
        """Compare the answer with the reference."""
        answer, reference = trial.inputs["answer"], trial.inputs["reference"]
        is_same = is_same_number if self.method == "numeric" else is_same_text
        return Ruling([JudgeVerdict(score=float(is_same(answer, reference)))])


def is_same_text(answer: str, reference: str) -> bool:
    """Compare texts, ignoring case, white space, surrounding quotes and a final full stop."""
    return _normalized(answer) == _normalized(reference)


def is_same_number(answer: str, reference: str) -> bool:
    """Compare the last number of each text, as GSM8K's evaluation does."""
    actual, expected = last_number(answer), last_number(reference)
    return actual is not None and expected is not None and isclose(actual, expected, rel_tol=1e-6)


def last_number(text: str) -> float | None:
    """Return the last number in the text, if there is one."""
    numbers = NUMBER_PATTERN.findall(text.replace(MINUS_SIGN, "-"))
    return float(numbers[-1].replace(",", "")) if numbers else None


def _normalized(text: str) -> str:
    return " ".join(text.lstrip(QUOTES).rstrip(f"{QUOTES}.").casefold().split())
