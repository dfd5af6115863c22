"""The embedded engine on a busy machine: `python -m bench.busy`.

Tokens per second on an idle machine and next to one busy process, with libgomp's default spin count
and with ours. Each is measured in its own process, because libgomp reads the setting once.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openai

from moagraph.nodes.models.local.engine import endpoint

THEIRS = {"GOMP_SPINCOUNT": "300000"}
COUNT = "while True: pass"
QUESTION = "Tell a long story about the number {number}. " + "Use many words. " * 30


async def speed(model: str, calls: int, tokens: int) -> float:
    """Return the tokens per second over concurrent calls, after one warm-up call."""
    engine = await endpoint(model, calls)
    client = openai.AsyncOpenAI(base_url=engine.base_url, api_key=engine.api_key, timeout=600)

    async def call(number: int) -> int:
        reply = await client.chat.completions.create(
            model=engine.model,
            messages=[{"role": "user", "content": QUESTION.format(number=number)}],
            max_tokens=tokens,
        )
        assert reply.usage is not None
        return reply.usage.completion_tokens

    await call(0)
    began = time.perf_counter()
    tokens_by_call = await asyncio.gather(*(call(number) for number in range(1, calls + 1)))
    return sum(tokens_by_call) / (time.perf_counter() - began)


def measured(model: str, env: dict[str, str]) -> float:
    """Return the speed in a new process."""
    command = [sys.executable, "-m", "bench.busy", "--model", model, "--alone"]
    done = subprocess.run(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


@contextmanager
def background_load(processes: int) -> Iterator[None]:
    """Run processes that each keep one core busy."""
    workers = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(processes)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def rows(model: str) -> Iterator[str]:
    """Return the rows of a Markdown table; the last column is the ratio of one run."""
    yield "| other processes | libgomp's spin, tokens/s | ours, tokens/s | ours to libgomp's |"
    yield "|---|---|---|---|"
    for processes in (0, 1):
        with background_load(processes):
            theirs, ours = measured(model, THEIRS), measured(model, {})
        yield f"| {processes} | {theirs:.1f} | {ours:.1f} | {ours / theirs:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.busy", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m", help="a model of the embedded engine")
    parser.add_argument("--alone", action="store_true", help="one speed, here and now")
    options = parser.parse_args()
    if options.alone:
        print(asyncio.run(speed(options.model, calls=3, tokens=40)))
        return
    print(f"{os.cpu_count()} cores, three calls at once\n")
    print("\n".join(rows(options.model)))


if __name__ == "__main__":
    main()
