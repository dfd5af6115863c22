"""The size of a stored conversation as it grows: `python -m bench.growth`.

Turns of 18 proposals in three layers of six, each of 2 kB of incompressible
data; at the end a replay of the last turn, which must call the aggregator only.
"""

import argparse
import asyncio
import base64
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from moagraph import aask, areplay
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.savers.packed import Packed
from moagraph.threads.savers.postgres import opened as opened_postgres
from moagraph.threads.savers.sqlite import opened as opened_sqlite
from tests.postgres import served
from tests.provider import Call, Provider

TURNS = (1, 10, 50)
BYTES = 2000
TARGET_MB = 5.0
TABLES = "checkpoints", "checkpoint_blobs", "checkpoint_writes"


def recipe(base_url: str) -> Recipe:
    """Three layers of six and the aggregator."""
    call = {"model": "vllm:model", "base_url": base_url, "count": 6}
    last = {"step": "synthesize", "model": "vllm:agg", "base_url": base_url}
    layers: list[dict[str, Any]] = [{"proposers": [call]} for _ in range(3)]
    layers[-1]["aggregate"] = last
    return Recipe.model_validate({"name": "growth", "layers": layers})


@contextmanager
def sqlite() -> Iterator[tuple[Any, Callable[[], int]]]:
    """Open a saver; the function returns the bytes of its pages."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "threads.sqlite"

        def size() -> int:
            with sqlite3.connect(file) as connection:
                [pages] = connection.execute("PRAGMA page_count").fetchone()
                [page] = connection.execute("PRAGMA page_size").fetchone()
            connection.close()
            return int(pages * page)

        with opened_sqlite(file, Packed()) as threads:
            yield threads, size


@contextmanager
def postgres() -> Iterator[tuple[Any, Callable[[], int]]]:
    """Open a saver; the function returns the bytes of its tables and indexes."""
    with served() as server, server.database() as url, opened_postgres(url, Packed()) as threads:

        def size() -> int:
            with psycopg.connect(url, autocommit=True) as connection:
                sizes = ", ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
                row = connection.execute(f"SELECT {sizes}".encode()).fetchone()
            return sum(row or ())

        yield threads, size


async def grow(provider: Provider, threads: Any, size: Callable[[], int]) -> dict[int, float]:
    """Return the megabytes after each number of turns, and check a replay of the last."""
    mixture, megabytes = recipe(provider.base_url), {}
    for turn in range(1, max(TURNS) + 1):
        result = await aask(f"question {turn}", mixture, thread="t", threads=threads)
        assert result.status == "done", result.error
        if turn in TURNS:
            megabytes[turn] = size() / 1e6
    before, texts = len(provider.calls), [p["text"] for p in result.layers[2]["proposals"]]
    replayed = await areplay("t", threads, edit={"3.01": "another answer"})
    models = [call.model for call in provider.calls[before:]]
    assert models == ["agg"], "the replay called other models"
    assert [p["text"] for p in replayed.layers[2]["proposals"]] == ["another answer", *texts[1:]]
    messages = provider.calls[-1].messages
    assert len(messages) == 2 * max(TURNS), "the replay lost a part of the conversation"
    return megabytes


def measure() -> dict[str, dict[int, float]]:
    """Measure both savers."""
    generator, megabytes_by_saver = random.Random(7), {}

    def noise(_: Call) -> str:
        return base64.b64encode(generator.randbytes(BYTES)).decode()

    with Provider() as provider:
        provider.reply("model", noise)
        for name, saver in {"SQLite": sqlite, "Postgres": postgres}.items():
            with saver() as (threads, size):
                megabytes_by_saver[name] = asyncio.run(grow(provider, threads, size))
    return megabytes_by_saver


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"turns of 18 proposals of {BYTES} random bytes in base64; MB stored\n")
    print(f"| saver | {' | '.join(f'{turn} turns' for turn in TURNS)} | at most | replay |")
    print("|---" * (len(TURNS) + 3) + "|")
    for name, megabytes in measure().items():
        sizes = " | ".join(f"{megabytes[turn]:.2f}" for turn in TURNS)
        print(f"| {name} | {sizes} | {TARGET_MB:.0f} | intact |")


if __name__ == "__main__":
    main()
