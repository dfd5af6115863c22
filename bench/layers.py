"""Wall time of three layers of calls over their critical path: `python -m bench.layers`.

Two layers of six proposers and the aggregator, the paper's three layers, 13 calls of 200 ms: the
minimum is 0.6 s. Medians of several runs, the two ways interleaved.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

from bench.provided import provided
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe

LATENCY = 0.2
WAVES = 3
TARGET = {"ainvoke": 1.10, "invoke": 1.15}


def recipe(base_url: str) -> Recipe:
    """Return the paper's layers, with every call at the local provider."""
    call = {"model": "vllm:model", "base_url": base_url, "count": 6}
    return Recipe.model_validate(
        {
            "name": "bench",
            "layers": [
                {"proposers": [call]},
                {
                    "proposers": [call],
                    "aggregate": {"step": "synthesize", "model": "vllm:m", "base_url": base_url},
                },
            ],
        }
    )


def question() -> Any:
    """Return a new input: a message object that is used again would replace itself."""
    return {"messages": [("user", "Why is the sky blue?")]}


def timed(ways: dict[str, Any], runs: int) -> dict[str, list[float]]:
    """Run the ways interleaved, after one warm-up run of each; return the seconds."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:
                took[name].append(time.perf_counter() - began)
    return took


def measure(runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run, for `ainvoke` on one loop and for `invoke`."""
    with provided(LATENCY) as base_url, asyncio.Runner() as runner:
        graph = build(recipe(base_url)).compile()
        ways = {
            "ainvoke": lambda: runner.run(graph.ainvoke(question())),
            "invoke": lambda: graph.invoke(question()),
        }
        return timed(ways, runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    took = measure(parser.parse_args().runs)
    path = LATENCY * WAVES
    print(f"2 layers of 6 proposers and the aggregator, {LATENCY * 1000:.0f} ms a call, ", end="")
    print(f"critical path {path:.3f} s\n")
    print("| call | median s | over the critical path | at most | worst s |")
    print("|---|---|---|---|---|")
    for name, seconds in took.items():
        median = statistics.median(seconds)
        print(
            f"| `{name}` | {median:.3f} | {median / path:.3f} | {TARGET[name]:.2f} "
            f"| {max(seconds):.3f} |"
        )


if __name__ == "__main__":
    main()
