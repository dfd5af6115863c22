"""FLASK: an answer graded from 1 to 5 in each of the skills that its question needs."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.evals.judges.asking import ModelJudge, ruled
from moagraph.evals.judges.wording import talk
from moagraph.evals.sets.flask import SKILLS
from moagraph.nodes.models.reply import Reply
from moagraph.prompts import read as read_prompt
from moagraph.prompts import render

MAX_TOKENS = 1024
PROMPT, DEFINITIONS = "judge-skills", "judge-skills-defined"
FORM = 'one line such as {"Factuality": 4, "Readability": 5} with every skill that was named'
NOT_APPLICABLE = {"n/a", "na", "not applicable"}


@dataclass(frozen=True)
class Flask(ModelJudge):
    """A model that grades skills."""

    method: str = "flask"
    compares: bool = False

    def trials(self, case: Case) -> Sequence[Trial]:
        """One for all skills of the row; all twelve where it names none."""
        skills = case.item.skills or SKILLS
        text = render(
            PROMPT,
            question=talk(case.questions),
            answer=talk(case.answers),
            reference=case.reference or "(none is known)",
            skills="\n".join(f"- {skill}: {_defined()[skill]}" for skill in skills),
        )
        return [Trial(case, self.said([("user", text)]), PROMPT, None, skills)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask for all skills at once."""

        def read(reply: Reply) -> list[Verdict]:
            found = scores(reply.text)
            return [_verdict(skill, found) for skill in trial.skills]

        return await ruled(self.call, trial.said["messages"], FORM, read)


def scores(text: str) -> Mapping[str, float | None]:
    """What the last braces in the text say of each skill, in small letters; None: it plays no part.

    What stands there without being a grade is left out.
    """
    braces = re.findall(r"{[^}]+}", text)
    try:
        said = ast.literal_eval(braces[-1].replace("\n", " ").replace("_", " ")) if braces else {}
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return {}
    found: dict[str, float | None] = {}
    for skill, score in said.items() if isinstance(said, dict) else ():
        if isinstance(score, str) and score.strip().lower() in NOT_APPLICABLE:
            found[str(skill).strip().lower()] = None
        elif (grade := _number(score)) is not None and 1 <= grade <= 5:
            found[str(skill).strip().lower()] = grade
    return found


def _number(said: object) -> float | None:
    """A grade may stand in quotes."""
    try:
        return float(said) if isinstance(said, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _verdict(skill: str, found: Mapping[str, float | None]) -> Verdict:
    name = skill.lower()
    return Verdict(score=found.get(name), skill=skill, parsed=name in found)


def _defined() -> dict[str, str]:
    """What each skill means, in our words."""
    lines = read_prompt(DEFINITIONS).splitlines()
    pairs = (line.removeprefix("- ").split(": ", 1) for line in lines if line.strip())
    return {skill: meaning for skill, meaning in pairs}
