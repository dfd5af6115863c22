"""What a sandbox costs: its start, a verdict on tests, and a call from the tests into the code.

python -m bench.sandbox [RUNS]
"""

import asyncio
import sys
import time
from collections.abc import Callable
from statistics import median

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.sandbox.backends import (
    Backend,
    Bubblewrap,
    Landlock,
    SandboxLimits,
    Unconfined,
)
from moagraph.nodes.checks.sandbox.choice import fault
from moagraph.nodes.checks.sandbox.process import Job, run
from moagraph.nodes.checks.settings import ByTests

CALLS = 2000
CODE = "def add(a, b): return a + b"
ONE = ByTests(tests="assert add(1, 2) == 3", timeout=60)
MANY = ByTests(
    tests=f"for number in range({CALLS}): assert add(number, 1) == number + 1", timeout=60
)


def milliseconds(act: Callable[[], object], runs: int) -> float:
    """The median of some runs."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


def verdict(check: ByTests, backend: Backend) -> None:
    """One verdict, which has to be that the code passes."""
    found = asyncio.run(run_check(check, "?", CODE, unsafe=True, backend=backend))
    assert found["verdict"] == "passed", found


def line(backend: Backend, runs: int) -> str:
    """A row of the table."""
    if not isinstance(backend, Unconfined) and (why := fault(backend)):
        return f"{backend.name:<12} {why}"
    limits, job = SandboxLimits(seconds=60, memory_mb=512), Job("self_test", {})
    start = milliseconds(lambda: asyncio.run(run(backend, limits, job)), runs)
    one = milliseconds(lambda: verdict(ONE, backend), runs)
    many = milliseconds(lambda: verdict(MANY, backend), max(1, runs // 4))
    return f"{backend.name:<12} {start:9.1f} ms {one:9.1f} ms {(many - one) / CALLS:9.3f} ms"


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if sys.argv[1:] else 20
    print(f"{'':<12} {'start':>12} {'verdict':>12} {'call':>12}")
    for backend in (Bubblewrap(), Landlock(), Unconfined()):
        print(line(backend, runs))


if __name__ == "__main__":
    main()
