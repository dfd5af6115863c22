"""The `grade` judge: one answer, graded from 1 to 10 as in MT-Bench."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.evals.judges.messages import build_grade_messages
from moagraph.evals.judges.model_judge import ModelJudge, ask_for_verdicts
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json

MAX_TOKENS = 2048
FORM = "[[rating]], for example: Rating: [[5]]"
# FastChat's `one_score_pattern`, and its backup for replies with single brackets.
PATTERNS = (r"\[\[(\d+\.?\d*)\]\]", r"\[(\d+\.?\d*)\]")
LOWEST, HIGHEST = 1, 10


@dataclass(frozen=True)
class GradeJudge(ModelJudge):
    """A model that grades one answer."""

    prompts: Mapping[str, Json] = field(default_factory=dict)
    method: str = "grade"
    compares: bool = False

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial for the case's turn."""
        built = build_grade_messages(case, self.prompts)
        return [Trial(case, self.inputs(built.messages), built.prompt)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask the model for the rating."""

        def parse(reply: Reply) -> list[JudgeVerdict]:
            score = parse_rating(reply.text)
            return [JudgeVerdict(score=score, parsed=score is not None)]

        return await ask_for_verdicts(self.call, trial.inputs["messages"], FORM, parse)


def parse_rating(text: str) -> float | None:
    """Return the first rating in the text; None if there is none from 1 to 10."""
    match = next((hit for pattern in PATTERNS if (hit := re.search(pattern, text))), None)
    score = float(match.group(1)) if match else None
    return score if score is not None and LOWEST <= score <= HIGHEST else None
