"""The delay of the first token after the provider's: `python -m bench.first_token`.

Two layers of six proposers and a streaming aggregator; the provider records when it
sent the first word. Also the time of `moa --help` and of an import.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.layers import recipe
from moagraph.api.ask import aask
from moagraph.threads.events import SilentObserver
from tests.provider import Provider

LATENCY = 0.2
PAUSE = 0.02  # between two chunks; the first holds the role alone, the second the first word
WORDS = "one two three four five six seven eight"


class FirstToken(SilentObserver):
    """Records when the answer begins."""

    def __init__(self) -> None:
        """Start without a time."""
        self.at: float | None = None

    def token_received(self, place: Mapping[str, Any], text: str) -> None:
        """The first piece of the last step counts."""
        if place.get("role") == "answer" and self.at is None:
            self.at = time.monotonic()


def delays(runs: int) -> list[float]:
    """Return the milliseconds from the provider's first token to ours, for each run."""
    milliseconds = []
    with Provider(latency=LATENCY, chunk_delay=PAUSE) as provider, asyncio.Runner() as runner:
        provider.reply("m", WORDS)
        for _ in range(runs + 1):
            watch = FirstToken()
            runner.run(aask("Why?", recipe(provider.base_url), watch=watch))
            sent = provider.calls[-1].arrived + LATENCY + PAUSE
            milliseconds.append(((watch.at or time.monotonic()) - sent) * 1000)
    return milliseconds[1:]  # the first run builds its clients


def seconds(*command: str) -> float:
    """Return the median seconds of five runs of a command."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    milliseconds = delays(parser.parse_args().runs)
    moa = str(Path(sys.executable).with_name("moa"))
    print("| what | median | worst | at most |")
    print("|---|---|---|---|")
    median, worst = statistics.median(milliseconds), max(milliseconds)
    print(f"| first token after the provider's | {median:.0f} ms | {worst:.0f} ms | 50 ms |")
    print(f"| `moa --help` | {seconds(moa, '--help'):.2f} s | | 0.5 s |")
    print(
        f"| `import moagraph` | {seconds(sys.executable, '-c', 'import moagraph'):.2f} s | | 1 s |"
    )


if __name__ == "__main__":
    main()
