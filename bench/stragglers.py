"""The effect of the straggler rules: `python -m bench.stragglers [--plot stragglers.svg]`.

First the paper's three layers, 200 ms a call, with one proposer 3 s late in every run; then runs
in which any proposer may be late, with and without the rules.
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.flaky import Flaky
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe
from tests.faults import Fault, Slow

LATENCY = 0.2
PATH = 3 * LATENCY
TARGET = 1.5
RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "quorum 5 of 6, grace 0.1 s": {"quorum": 5, "grace": 0.1},
    "quorum 4 of 6, grace 0.1 s": {"quorum": 4, "grace": 0.1},
}
CHANCE = 0.05  # of one proposer's call to be late
AT_ONCE = 4
WIDTH, HEIGHT, EDGE = 640, 320, 48
COLOURS = ("#b3432b", "#2b6cb3", "#2e8b57")


def recipe(base_url: str, late: bool = False, **rules: Any) -> Recipe:
    """Two layers of six proposers and the aggregator; the first proposer may be `late`."""
    names = ["late" if late else "p1", *(f"p{number}" for number in range(2, 7))]
    first = {"proposers": [f"vllm:{name}" for name in names], **rules}
    second = {"proposers": [f"vllm:p{number}" for number in range(1, 7)], **rules}
    answer = {"aggregate": {"step": "synthesize", "model": "vllm:agg"}}
    fields = {"defaults": {"base_url": base_url}, "layers": [first, second | answer]}
    return Recipe.model_validate({"name": "stragglers", **fields})


async def times(recipe: Recipe, runs: int, at_once: int = 1) -> list[float]:
    """Return the seconds of each run, after one warm-up run."""
    graph: Any = build(recipe).compile()
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(at_once)

    async def run() -> float:
        async with gate:
            began = loop.time()
            await graph.ainvoke({"messages": [("user", "Why is the sky blue?")]})
            return loop.time() - began

    await run()
    return list(await asyncio.gather(*(run() for _ in range(runs))))


def measure(runs: int, seed: int = 1) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of each run, by scenario and by rules."""
    generator = random.Random(seed)

    def choose(model: str) -> Fault:
        if model == "late":
            return Slow(3.0)
        late = model != "agg" and generator.random() < CHANCE
        return Slow(generator.uniform(0.5, 3.0)) if late else Fault()

    async def measure_all(base_url: str) -> dict[str, dict[str, list[float]]]:
        fixed, random_late = dict[str, list[float]](), dict[str, list[float]]()
        for name, rules in RULES.items():
            few = max(1, min(5, runs)) if rules else 1
            fixed[name] = await times(recipe(base_url, late=True, **rules), few)
            random_late[name] = await times(recipe(base_url, **rules), runs, AT_ONCE)
        often = f"each proposer late in {CHANCE:.0%} of its calls"
        return {"one proposer 3 s late": fixed, often: random_late}

    with Flaky(choose, latency=LATENCY) as provider:
        return asyncio.run(measure_all(provider.base_url))


def percentile(seconds: Sequence[float], percent: int) -> float:
    """Return a percentile of the seconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def rows(took: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """Return the rows of the table."""
    yield "| what happens | the rules | runs | p50 s | p99 s | p50 over the critical path |"
    yield "|---|---|---|---|---|---|"
    for what, ways in took.items():
        for way, seconds in ways.items():
            median = statistics.median(seconds)
            yield (
                f"| {what} | {way} | {len(seconds)} | {median:.2f} | {percentile(seconds, 99):.2f} "
                f"| {median / PATH:.2f} |"
            )


def plot(ways: dict[str, list[float]]) -> str:
    """Draw the share of ended runs over time as SVG."""
    longest = max(max(seconds) for seconds in ways.values()) * 1.05
    parts = [*_axes(longest)]
    for number, (way, seconds) in enumerate(ways.items()):
        colour, y = COLOURS[number], HEIGHT - EDGE - 60 + 20 * number
        points = " ".join(_steps(sorted(seconds), longest))
        stroke = f'fill="none" stroke="{colour}" stroke-width="2"'
        parts.append(f'<polyline points="{points}" {stroke}/>')
        parts.append(f'<text x="{WIDTH - 250}" y="{y}" fill="{colour}">rules: {way}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="12"'
    return "\n".join([f"{head} {style}>", *parts, "</svg>", ""])


def _axes(longest: float) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for percent in (0, 50, 99):
        y = _y(percent / 100)
        line = f'x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}"'
        yield f'<line {line} stroke="#ccc"/><text x="4" y="{y + 4:.1f}">{percent} %</text>'
    for second in range(int(longest) + 1):
        yield f'<text x="{_x(second, longest):.1f}" y="{HEIGHT - EDGE + 18}">{second} s</text>'
    title = "runs that have ended, by the seconds since they began"
    yield f'<text x="{EDGE}" y="20">{title}</text>'


def _steps(ordered: list[float], longest: float) -> Iterator[str]:
    before = 0.0
    for number, seconds in enumerate(ordered, 1):
        x, after = _x(seconds, longest), number / len(ordered)
        yield f"{x:.1f},{_y(before):.1f} {x:.1f},{_y(after):.1f}"
        before = after


def _x(seconds: float, longest: float) -> float:
    return EDGE + seconds / longest * (WIDTH - 2 * EDGE)


def _y(part: float) -> float:
    return HEIGHT - EDGE - part * (HEIGHT - 2 * EDGE)


def main() -> None:
    """Print the table, and draw the second part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    took = measure(options.runs)
    print(f"critical path {PATH:.1f} s; with the rules at most {TARGET} times that\n")
    for row in rows(took):
        print(row)
    if options.plot:
        options.plot.write_text(plot(list(took.values())[-1]))


if __name__ == "__main__":
    main()
