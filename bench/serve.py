"""`moa serve` under load, on this machine only: `python -m bench.serve`.

Many streaming clients at once against a provider of 200 ms; memory over thousands of requests;
and a soak in which clients disconnect and the provider fails. Every request counts in one of the
columns, and every answer is compared with its question.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.echo import Echo, echoing

LATENCY = 0.2
WAVES = 2
SEATS = ("a", "b", "c")
PATIENCE = 600  # seconds for any one part
SERVE = [sys.executable, "-c", "from moagraph.cli import main; main()", "serve", "--port", "0"]


@dataclass(frozen=True)
class RequestOutcome:
    """The outcome of one request, and the seconds to its first token."""

    kind: str
    first: float = 0.0


@dataclass(frozen=True)
class RunningServer:
    """A running `moa serve`."""

    base_url: str
    pid: int

    def megabytes(self) -> float:
        """Return the resident memory."""
        done = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True)
        return int(done.stdout) / 1024


@contextmanager
def served(echo: Echo, attempts: int = 3) -> Iterator[RunningServer]:
    """Run `moa serve` with one recipe: three seats and an aggregator, all at the provider."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "recipes"
        folder.mkdir()
        seats = ", ".join(f'"openai:{seat}"' for seat in SEATS)
        (folder / "mix.toml").write_text(
            f"defaults = {{ attempts = {attempts} }}\n[[layers]]\nproposers = [{seats}]\n"
            'aggregate = { step = "synthesize", model = "openai:agg" }\n',
            encoding="utf-8",
        )
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LANGSMITH", "MOA_"))}
        env = {
            **inherited,
            "MOA_HOME": home,
            "OPENAI_BASE_URL": echo.base_url,
            "OPENAI_API_KEY": "k",
        }
        with subprocess.Popen(SERVE, stderr=subprocess.PIPE, text=True, env=env) as process:
            try:
                assert process.stderr is not None
                url = process.stderr.readline().split("serving ")[1].split(",")[0]
                yield RunningServer(url, process.pid)
            finally:
                process.terminate()


async def ask(
    client: httpx.AsyncClient, url: str, model: str, number: int, leave: bool
) -> RequestOutcome:
    """Send one streamed request; with `leave`, disconnect after its first token."""
    question = f"question {number} of {os.getpid()}, word by word: " + f"w{number} " * 20
    body = {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": question.strip()}],
        "seed": number,
    }
    began, first, text = time.perf_counter(), 0.0, ""
    done = False
    async with client.stream("POST", f"{url}/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            return RequestOutcome(f"status {answer.status_code}")
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                done = True
            elif line.startswith("data: "):
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    return RequestOutcome("error in the stream")
                piece = chunk["choices"][0]["delta"].get("content") if chunk["choices"] else ""
                if piece and not first:
                    first = time.perf_counter() - began
                    if leave:
                        return RequestOutcome("left", first)
                text += piece or ""
    if not done:
        return RequestOutcome("lost")
    return RequestOutcome("right" if text == question.strip() else "mixed up", first)


async def run_clients(
    url: str, model: str, clients: int, numbers: range, leaving: int = 0
) -> list[RequestOutcome]:
    """Send all requests with a fixed number of concurrent clients."""
    limits = httpx.Limits(max_connections=clients)
    remaining = iter(numbers)
    ended: list[RequestOutcome] = []

    async def run(client: httpx.AsyncClient) -> None:
        for number in remaining:
            leave = bool(leaving) and number % leaving == 0
            try:
                ended.append(await ask(client, url, model, number, leave))
            except httpx.HTTPError as error:
                ended.append(RequestOutcome(f"lost ({type(error).__name__})"))

    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(limits=limits, timeout=60, verify=False) as client,
    ):
        await asyncio.gather(*(run(client) for _ in range(clients)))
    return ended


def row(name: str, ended: list[RequestOutcome], seconds: float, path: float) -> str:
    """Return one row of the table of times."""
    firsts = sorted(request.first for request in ended if request.first)
    kinds = Counter(request.kind for request in ended)
    p95 = firsts[int(len(firsts) * 0.95) - 1]
    return (
        f"| {name} | {len(ended)} | {kinds['right']} | {kinds['mixed up']} "
        f"| {len(ended) - kinds['right'] - kinds['mixed up']} | {path:.1f} "
        f"| {statistics.median(firsts):.2f} | {p95:.2f} | {firsts[-1]:.2f} "
        f"| {len(ended) / seconds:.0f} |"
    )


async def timed(
    work: Callable[[], Awaitable[list[RequestOutcome]]],
) -> tuple[list[RequestOutcome], float]:
    """Return the outcomes and the seconds."""
    began = time.perf_counter()
    return await work(), time.perf_counter() - began


def streaming(clients: int, rounds: int) -> None:
    """Measure streaming clients against the provider, and against the server in front of it."""
    print(f"{clients} streaming clients, {LATENCY * 1000:.0f} ms a call, seconds to first token\n")
    print("| | asked | right | mixed up | lost | path | median | p95 | worst | a second |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with echoing(LATENCY) as echo, served(echo) as moa:
        asyncio.run(run_clients(moa.base_url, "moa/mix", 4, range(8)))
        for name, url, model, path, concurrency in (
            ("the provider, 1 client", echo.base_url, "agg", LATENCY, 1),
            ("`moa serve`, 1 client", moa.base_url, "moa/mix", LATENCY * WAVES, 1),
            ("the provider", echo.base_url, "agg", LATENCY, clients),
            ("`moa serve`", moa.base_url, "moa/mix", LATENCY * WAVES, clients),
        ):
            numbers = range(10 if concurrency == 1 else clients * rounds)
            work = run_clients(url, model, concurrency, numbers)
            ended, seconds = asyncio.run(timed(lambda work=work: work))  # type: ignore[misc]
            print(row(name, ended, seconds, path), flush=True)


def memory(requests: int) -> None:
    """Measure the server's memory after each quarter of the requests, each with its own seed."""
    print(f"\nmemory over {requests} requests, 16 clients\n")
    print("| requests | right | RSS MB |\n|---|---|---|")
    with echoing(0.0) as echo, served(echo) as moa:
        asyncio.run(run_clients(moa.base_url, "moa/mix", 16, range(50)))
        print(f"| 50 (warm) | | {moa.megabytes():.1f} |", flush=True)
        right, part = 0, requests // 4
        for quarter in range(4):
            numbers = range(quarter * part, (quarter + 1) * part)
            ended = asyncio.run(run_clients(moa.base_url, "moa/mix", 16, numbers))
            right += sum(request.kind == "right" for request in ended)
            print(f"| {(quarter + 1) * part} | {right} | {moa.megabytes():.1f} |", flush=True)


def soak(requests: int, clients: int) -> None:
    """One client in ten disconnects, and one provider call in ten fails without a retry."""
    print(f"\nsoak: {requests} requests, {clients} clients, 1 in 10 leaves, 1 call in 10 fails\n")
    with echoing(0.05, 0.1, 0.02) as echo, served(echo, attempts=1) as moa:
        ended = asyncio.run(
            run_clients(moa.base_url, "moa/mix", clients, range(requests), leaving=10)
        )
        time.sleep(1)
        counted = echo.counts()
        after = asyncio.run(run_clients(moa.base_url, "moa/mix", 4, range(requests, requests + 8)))
    print("| outcome | requests |\n|---|---|")
    for kind, number in sorted(Counter(request.kind for request in ended).items()):
        print(f"| {kind} | {number} |")
    print(f"| all | {len(ended)} |\n\nprovider: {counted}")
    print(f"afterwards: {dict(Counter(request.kind for request in after))}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--soak", type=int, default=500)
    options = parser.parse_args()
    if options.rounds:
        streaming(options.clients, options.rounds)
    if options.requests:
        memory(options.requests)
    if options.soak:
        soak(options.soak, 32)


if __name__ == "__main__":
    main()
