"""One answer, graded from 1 to 10 as MT-Bench does it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.evals.judges.asking import ModelJudge, ruled
from moagraph.evals.judges.wording import grade
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json

MAX_TOKENS = 2048
FORM = "[[rating]], for example: Rating: [[5]]"
# FastChat's `one_score_pattern`, and the one for where that finds nothing.
PATTERNS = (r"\[\[(\d+\.?\d*)\]\]", r"\[(\d+\.?\d*)\]")
LEAST, MOST = 1, 10


@dataclass(frozen=True)
class Grade(ModelJudge):
    """A model that grades an answer by itself."""

    prompts: Mapping[str, Json] = field(default_factory=dict)
    method: str = "grade"
    compares: bool = False

    def trials(self, case: Case) -> Sequence[Trial]:
        """One for each turn."""
        words = grade(case, self.prompts)
        return [Trial(case, self.said(words.messages), words.prompt)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask for the rating."""

        def read(reply: Reply) -> list[Verdict]:
            score = rating(reply.text)
            return [Verdict(score=score, parsed=score is not None)]

        return await ruled(self.call, trial.said["messages"], FORM, read)


def rating(text: str) -> float | None:
    """The first rating in the text that is one."""
    found = next((hit for pattern in PATTERNS if (hit := re.search(pattern, text))), None)
    score = float(found.group(1)) if found else None
    return score if score is not None and LEAST <= score <= MOST else None
