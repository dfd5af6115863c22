"""How long each model of a recipe has taken before, for `grace = "auto"`."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median, quantiles

from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.sqlite_tables import table

SCHEMA = "CREATE TABLE took (recipe TEXT, model TEXT, seconds REAL)"
MIN_SAMPLES = 5
MAX_SAMPLES = 100  # of each model: older ones no longer describe it
DELETE_OLD = """
DELETE FROM took WHERE recipe = ? AND model = ? AND rowid NOT IN
(SELECT rowid FROM took WHERE recipe = ? AND model = ? ORDER BY rowid DESC LIMIT ?)"""


@dataclass(frozen=True)
class Latency:
    """Percentiles of a model's latency, in seconds."""

    median: float
    p95: float


def summarize(seconds: list[float]) -> Latency | None:
    """Return the percentiles of a model's samples; None if there are too few."""
    if len(seconds) < MIN_SAMPLES:
        return None
    return Latency(median(seconds), quantiles(seconds, n=20, method="inclusive")[-1])


async def load_latencies(recipe: str, models: Iterable[str]) -> dict[str, Latency]:
    """Return the latency of each model that has enough samples; a broken file has none.

    Args:
        recipe: The recipe's name.
        models: The models, as `provider:model`.
    """
    with suppress(StorageError):
        return await asyncio.to_thread(_load, recipe, sorted(set(models)))
    return {}


async def record_latency(recipe: str, model: str, seconds: float) -> None:
    """Add a sample; a call that was cut off counts too, as it took at least that long.

    Args:
        recipe: The recipe's name.
        model: The model, as `provider:model`.
        seconds: The duration of the call.
    """
    with suppress(StorageError):
        await asyncio.to_thread(_insert, recipe, model, seconds)


def _load(recipe: str, models: list[str]) -> dict[str, Latency]:
    query = "SELECT seconds FROM took WHERE recipe = ? AND model = ?"
    with table("paces", SCHEMA) as rows:
        samples = {
            model: [row[0] for row in rows.execute(query, (recipe, model))] for model in models
        }
    summaries = {model: summarize(seconds) for model, seconds in samples.items()}
    return {model: summary for model, summary in summaries.items() if summary}


def _insert(recipe: str, model: str, seconds: float) -> None:
    with table("paces", SCHEMA) as rows:
        rows.execute("INSERT INTO took VALUES (?, ?, ?)", (recipe, model, seconds))
        rows.execute(DELETE_OLD, (recipe, model, recipe, model, MAX_SAMPLES))
