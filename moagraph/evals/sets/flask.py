"""FLASK's evaluation set, from the user's copy: it has no licence, so none is shipped."""

from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

MAX_TOKENS = 2048  # the paper's setting
SKILLS = (
    "Logical Robustness",
    "Logical Correctness",
    "Logical Efficiency",
    "Factuality",
    "Commonsense Understanding",
    "Comprehension",
    "Insightfulness",
    "Completeness",
    "Metacognition",
    "Readability",
    "Conciseness",
    "Harmlessness",
)


def has_format(row: Json) -> bool:
    """Return whether the row is a question with the skills that it needs."""
    return {"question_id", "text", "metrics"} <= row.keys()


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """Load the questions with their skills and reference answers.

    Args:
        file: The file, for error messages.
        rows: Its rows, each with its line number.
    """
    return DataSet("flask", tuple(_item(file, *row) for row in rows), str(file), MAX_TOKENS)


def _item(file: Path, number: int, row: Json) -> Item:
    try:
        names = [row["metrics"]] if isinstance(row["metrics"], str) else row["metrics"]
        skills = tuple(map(_parse_skill, names))
        domains = row.get("domain_labeled") or [None]
        reference = row.get("answer")
        return Item(
            id=row["question_id"],
            turns=(str(row["text"]),),
            category=domains[0],
            references=() if reference is None else (str(reference),),
            skills=skills,
            row=row,
        )
    except (KeyError, TypeError) as error:
        raise UsageError(f"{file}:{number}: not a row of FLASK: {error} is missing") from error
    except ValueError as error:
        raise UsageError(f"{file}:{number}: {error}") from error


def _parse_skill(name: object) -> str:
    skills = {skill.lower(): skill for skill in SKILLS}
    skill = skills.get(str(name).strip().lower())
    if skill is None:
        raise ValueError(f"`metrics`: FLASK has no skill {name!r}; there are {', '.join(SKILLS)}")
    return skill
