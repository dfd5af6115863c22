"""The `flask` judge: one answer, graded from 1 to 5 in each skill that its question needs."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.evals.judges.messages import number_turns
from moagraph.evals.judges.model_judge import ModelJudge, ask_for_verdicts
from moagraph.evals.sets.flask import SKILLS
from moagraph.nodes.models.reply import Reply
from moagraph.prompts import read, render

MAX_TOKENS = 1024
PROMPT, DEFINITIONS = "judge-skills", "judge-skills-defined"
FORM = 'one line such as {"Factuality": 4, "Readability": 5} with every skill that was named'
NOT_APPLICABLE = {"n/a", "na", "not applicable"}


@dataclass(frozen=True)
class FlaskJudge(ModelJudge):
    """A model that grades the skills of an answer."""

    method: str = "flask"
    compares: bool = False

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial for all skills of the row; a row without skills gets all twelve."""
        skills = case.item.skills or SKILLS
        definitions = _skill_definitions()
        text = render(
            PROMPT,
            question=number_turns(case.questions),
            answer=number_turns(case.answers),
            reference=case.reference or "(none is known)",
            skills="\n".join(f"- {skill}: {definitions[skill]}" for skill in skills),
        )
        return [Trial(case, self.inputs([("user", text)]), PROMPT, None, skills)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask the model for the scores of all skills at once."""

        def parse(reply: Reply) -> list[JudgeVerdict]:
            scores = parse_skill_scores(reply.text)
            return [_verdict(skill, scores) for skill in trial.skills]

        return await ask_for_verdicts(self.call, trial.inputs["messages"], FORM, parse)


def parse_skill_scores(text: str) -> Mapping[str, float | None]:
    """Return the score of each skill, by lower-case name, from the last braces in the text.

    None means that the skill does not apply. Entries without a grade from 1 to 5 are left out.
    """
    braces = re.findall(r"{[^}]+}", text)
    try:
        entries = (
            ast.literal_eval(braces[-1].replace("\n", " ").replace("_", " ")) if braces else {}
        )
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return {}
    scores: dict[str, float | None] = {}
    for skill, score in entries.items() if isinstance(entries, dict) else ():
        if isinstance(score, str) and score.strip().lower() in NOT_APPLICABLE:
            scores[str(skill).strip().lower()] = None
        elif (grade := _number(score)) is not None and 1 <= grade <= 5:
            scores[str(skill).strip().lower()] = grade
    return scores


def _number(value: object) -> float | None:
    """Convert a grade, which may be in quotes."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _verdict(skill: str, scores: Mapping[str, float | None]) -> JudgeVerdict:
    name = skill.lower()
    return JudgeVerdict(score=scores.get(name), skill=skill, parsed=name in scores)


def _skill_definitions() -> dict[str, str]:
    lines = read(DEFINITIONS).splitlines()
    pairs = (line.removeprefix("- ").split(": ", 1) for line in lines if line.strip())
    return {skill: meaning for skill, meaning in pairs}
