"""How long each model of a recipe took before: what `grace = "auto"` goes by."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median, quantiles

from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.sqlite_tables import table

SCHEMA = "CREATE TABLE took (recipe TEXT, model TEXT, seconds REAL)"
ENOUGH = 5
KEPT = 100  # of each model: what it was like long ago is forgotten
FORGET = """
DELETE FROM took WHERE recipe = ? AND model = ? AND rowid NOT IN
(SELECT rowid FROM took WHERE recipe = ? AND model = ? ORDER BY rowid DESC LIMIT ?)"""


@dataclass(frozen=True)
class Pace:
    """Seconds that a model mostly takes, and that all but one in twenty of its answers take."""

    median: float
    p95: float


def pace(seconds: list[float]) -> Pace | None:
    """The pace behind these answers; None where they are too few to tell."""
    if len(seconds) < ENOUGH:
        return None
    return Pace(median(seconds), quantiles(seconds, n=20, method="inclusive")[-1])


async def paces(recipe: str, models: Iterable[str]) -> dict[str, Pace]:
    """The pace of each of the models that is known; a file that cannot be read knows none."""
    with suppress(StorageError):
        return await asyncio.to_thread(_paces, recipe, sorted(set(models)))
    return {}


async def note(recipe: str, model: str, seconds: float) -> None:
    """Learn from an answer, or from one that was cut off: it took that long at least."""
    with suppress(StorageError):
        await asyncio.to_thread(_note, recipe, model, seconds)


def _paces(recipe: str, models: list[str]) -> dict[str, Pace]:
    query = "SELECT seconds FROM took WHERE recipe = ? AND model = ?"
    with table("paces", SCHEMA) as rows:
        took = {model: [row[0] for row in rows.execute(query, (recipe, model))] for model in models}
    return {model: known for model, seconds in took.items() if (known := pace(seconds))}


def _note(recipe: str, model: str, seconds: float) -> None:
    with table("paces", SCHEMA) as rows:
        rows.execute("INSERT INTO took VALUES (?, ?, ?)", (recipe, model, seconds))
        rows.execute(FORGET, (recipe, model, recipe, model, KEPT))
