"""How long after the provider's first token ours is there: `python -m bench.first_token`.

Two layers of six proposers and a streaming aggregator; the provider's own clock says when it sent
the first word. And how long `moa --help` and an import take, which a person waits for too.
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
from moagraph.threads.events import Unwatched
from tests.provider import Provider

LATENCY = 0.2
PAUSE = 0.02  # between two chunks; the first holds the role alone, the second the first word
WORDS = "one two three four five six seven eight"


class FirstToken(Unwatched):
    """Notes when the answer begins."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self.at: float | None = None

    def heard(self, place: Mapping[str, Any], text: str) -> None:
        """The first piece of the last step counts."""
        if place.get("role") == "answer" and self.at is None:
            self.at = time.monotonic()


def delays(runs: int) -> list[float]:
    """Milliseconds from the provider's first token to ours, run by run."""
    found = []
    with Provider(latency=LATENCY, chunk_delay=PAUSE) as provider, asyncio.Runner() as runner:
        provider.reply("m", WORDS)
        for _ in range(runs + 1):
            watch = FirstToken()
            runner.run(aask("Why?", recipe(provider.base_url), watch=watch))
            sent = provider.calls[-1].arrived + LATENCY + PAUSE
            found.append(((watch.at or time.monotonic()) - sent) * 1000)
    return found[1:]  # the first run builds its clients


def seconds(*command: str) -> float:
    """The median of five runs of a command."""
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
    found = delays(parser.parse_args().runs)
    moa = str(Path(sys.executable).with_name("moa"))
    print("| what | median | worst | at most |")
    print("|---|---|---|---|")
    middle, worst = statistics.median(found), max(found)
    print(f"| first token after the provider's | {middle:.0f} ms | {worst:.0f} ms | 50 ms |")
    print(f"| `moa --help` | {seconds(moa, '--help'):.2f} s | | 0.5 s |")
    print(
        f"| `import moagraph` | {seconds(sys.executable, '-c', 'import moagraph'):.2f} s | | 1 s |"
    )


if __name__ == "__main__":
    main()
