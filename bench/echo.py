"""A provider in a process of its own whose every model repeats what it was asked last.

`python -m bench.echo --latency 0.2 --failing 0.1`; each line on its standard input is answered
with what became of its calls so far.
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
    """The process, where it answers, and what it counts."""

    base_url: str
    process: subprocess.Popen[str]

    def counts(self) -> dict[str, int]:
        """Calls so far: all, in flight, aborted."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        counted: dict[str, int] = json.loads(self.process.stdout.readline())
        return counted


@contextmanager
def echoing(latency: float, failing: float = 0.0, chunk_delay: float = 0.0) -> Iterator[Echo]:
    """Such a provider for as long as it is needed."""
    said = {"--latency": latency, "--failing": failing, "--chunk-delay": chunk_delay}
    words = [str(word) for pair in said.items() for word in pair]
    command = [sys.executable, "-m", "bench.echo", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None
            yield Echo(it.stdout.readline().strip(), it)
        finally:
            it.terminate()


def answer(call: Call) -> str:
    """What was asked last."""
    return str(call.messages[-1]["content"])


def counts(provider: Provider) -> dict[str, Any]:
    """What became of the calls."""
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
    said = parser.parse_args()
    chance = random.Random(1)
    with Provider(said.latency, said.chunk_delay) as provider:
        for model in MODELS:
            provider.reply(model, answer)
            if said.failing:
                fails = [chance.random() < said.failing for _ in range(SCRIPTED)]
                provider.script(model, *(Status(500) if fail else None for fail in fails))
        print(provider.base_url, flush=True)
        for _ in sys.stdin:
            print(json.dumps(counts(provider)), flush=True)


if __name__ == "__main__":
    main()
