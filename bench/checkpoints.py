"""The cost of storing a run: `python -m bench.checkpoints`.

Two layers of six proposers and the aggregator, the paper's three layers, at 200 ms a call, stored
nowhere, in memory, in SQLite and in Postgres; medians of several runs, interleaved.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from bench.layers import LATENCY, WAVES, question, recipe, timed
from bench.provided import provided
from moagraph.graphs.compile.build import build
from moagraph.threads.savers.packed import Packed
from moagraph.threads.savers.postgres import opened as opened_postgres
from moagraph.threads.savers.sqlite import opened as opened_sqlite
from tests.postgres import served

TARGET = {"SQLite": 1.15}


@contextmanager
def savers() -> Iterator[dict[str, Any]]:
    """Open the savers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(stack.enter_context(served()).database())
        yield {
            "none": None,
            "memory": InMemorySaver(serde=Packed()),
            "SQLite": stack.enter_context(opened_sqlite(folder / "threads.sqlite", Packed())),
            "Postgres": stack.enter_context(opened_postgres(url, Packed())),
        }


def measure(runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run; each run has its own thread."""
    number = itertools.count()
    with provided(LATENCY) as base_url, savers() as savers_by_name, asyncio.Runner() as runner:

        def way(saver: Any) -> Any:
            graph = build(recipe(base_url)).compile(checkpointer=saver)

            def run() -> None:
                config: Any = {"configurable": {"thread_id": str(next(number))}}
                runner.run(graph.ainvoke(question(), config))

            return run

        return timed({name: way(saver) for name, saver in savers_by_name.items()}, runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    took = measure(parser.parse_args().runs)
    path = LATENCY * WAVES
    print(f"2 layers of 6 proposers and the aggregator, {LATENCY * 1000:.0f} ms a call, ", end="")
    print(f"critical path {path:.3f} s\n")
    print("| kept in | median s | over the critical path | at most | worst s |")
    print("|---|---|---|---|---|")
    for name, seconds in took.items():
        median, target = statistics.median(seconds), TARGET.get(name)
        limit = f"{target:.2f}" if target else "-"
        print(f"| {name} | {median:.3f} | {median / path:.3f} | {limit} | {max(seconds):.3f} |")


if __name__ == "__main__":
    main()
