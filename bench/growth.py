"""What a conversation stores as it grows: `python -m bench.growth`.

Turns of 18 proposals in three layers of six, each of 2 kB after the best packing there is; and in
the end a replay of the last turn, which must ask the aggregator alone.
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
    """A saver, and how many bytes its pages hold."""
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
    """A saver, and how many bytes its tables take with their indexes."""
    with served() as server, server.database() as url, opened_postgres(url, Packed()) as threads:

        def size() -> int:
            with psycopg.connect(url, autocommit=True) as connection:
                sizes = ", ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
                row = connection.execute(f"SELECT {sizes}".encode()).fetchone()
            return sum(row or ())

        yield threads, size


async def grown(provider: Provider, threads: Any, size: Callable[[], int]) -> dict[int, float]:
    """Megabytes after each number of turns; a replay of the last asks one model."""
    mixture, megabytes = recipe(provider.base_url), {}
    for turn in range(1, max(TURNS) + 1):
        came = await aask(f"question {turn}", mixture, thread="t", threads=threads)
        assert came.status == "done", came.error
        if turn in TURNS:
            megabytes[turn] = size() / 1e6
    before, texts = len(provider.calls), [p["text"] for p in came.layers[2]["proposals"]]
    came = await areplay("t", threads, edit={"3.01": "another answer"})
    assert [call.model for call in provider.calls[before:]] == ["agg"], "the replay asked others"
    assert [p["text"] for p in came.layers[2]["proposals"]] == ["another answer", *texts[1:]]
    heard = provider.calls[-1].messages
    assert len(heard) == 2 * max(TURNS), "the replay lost a part of the conversation"
    return megabytes


def measure() -> dict[str, dict[int, float]]:
    """Both savers in turn."""
    chance, found = random.Random(7), {}

    def noise(_: Call) -> str:
        return base64.b64encode(chance.randbytes(BYTES)).decode()

    with Provider() as provider:
        provider.reply("model", noise)
        for name, saver in {"SQLite": sqlite, "Postgres": postgres}.items():
            with saver() as (threads, size):
                found[name] = asyncio.run(grown(provider, threads, size))
    return found


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
