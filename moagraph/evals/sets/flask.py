"""FLASK's evaluation set, from a user's own copy: it carries no licence, so none comes along."""

from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

MAX_TOKENS = 2048  # as the paper ran it
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


def looks_like(row: Json) -> bool:
    """A question with the skills that it needs."""
    return {"question_id", "text", "metrics"} <= row.keys()


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """Each question with its skills and its reference answer."""
    return DataSet("flask", tuple(_item(file, *row) for row in rows), str(file), MAX_TOKENS)


def _item(file: Path, number: int, row: Json) -> Item:
    try:
        named = [row["metrics"]] if isinstance(row["metrics"], str) else row["metrics"]
        skills = tuple(map(_skill, named))
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


def _skill(name: object) -> str:
    known = {skill.lower(): skill for skill in SKILLS}
    found = known.get(str(name).strip().lower())
    if found is None:
        raise ValueError(f"`metrics`: FLASK has no skill {name!r}; there are {', '.join(SKILLS)}")
    return found
