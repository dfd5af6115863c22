"""A provider in its own process whose models repeat the last message.

`python -m bench.echo --latency 0.2 --failing 0.1`; for each line on standard input
it prints the counts of its calls so far.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults import Status
from tests.provider import Call, Provider

MODELS = ("a", "b", "c", "agg")
SCRIPTED = 20_000


@dataclass(frozen=True)
class Echo:
    """A running echo provider."""

    base_url: str
    process: subprocess.Popen[str]

    def counts(self) -> dict[str, int]:
        """Return the counts of the calls so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        counted: dict[str, int] = json.loads(self.process.stdout.readline())
        return counted


@contextmanager
def echoing(latency: float, failing: float = 0.0, chunk_delay: float = 0.0) -> Iterator[Echo]:
    """Run an echo provider.

    Args:
        latency: Seconds per call.
        failing: The share of calls that fail.
        chunk_delay: Seconds between two chunks of a stream.
    """
    options = {"--latency": latency, "--failing": failing, "--chunk-delay": chunk_delay}
    words = [str(word) for pair in options.items() for word in pair]
    command = [sys.executable, "-m", "bench.echo", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None
            yield Echo(it.stdout.readline().strip(), it)
        finally:
            it.terminate()


def answer(call: Call) -> str:
    """Return the last message."""
    return str(call.messages[-1]["content"])


def counts(provider: Provider) -> dict[str, Any]:
    """Count the calls by outcome."""
    calls = list(provider.calls)
    return {
        "calls": len(calls),
        "failed": sum(call.status == 500 for call in calls),
        "aborted": sum(call.aborted for call in calls),
        "open": sum(call.finished is None and not call.aborted for call in calls),
    }


def main() -> None:
    """Serve until the end of the standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("latency", "failing", "chunk-delay"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    options = parser.parse_args()
    chance = random.Random(1)
    with Provider(options.latency, options.chunk_delay) as provider:
        for model in MODELS:
            provider.reply(model, answer)
            if options.failing:
                fails = [chance.random() < options.failing for _ in range(SCRIPTED)]
                provider.script(model, *(Status(500) if fail else None for fail in fails))
        print(provider.base_url, flush=True)
        for _ in sys.stdin:
            print(json.dumps(counts(provider)), flush=True)


if __name__ == "__main__":
    main()
