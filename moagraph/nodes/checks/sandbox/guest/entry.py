"""The entry point of a sandboxed process."""

import importlib
import json
import os
import sys
from typing import Any

from moagraph.nodes.checks.sandbox.guest import confinement

_PACKAGE = confinement.__name__.rpartition(".")[0]


def main() -> None:
    """Read the job from standard input, apply its limits, and run its task."""
    job: dict[str, Any] = json.load(sys.stdin)
    task = importlib.import_module(f"{_PACKAGE}.{job['task']}")
    os.environ.clear()  # bubblewrap and Python have put a little into it
    confinement.enter(job["limits"], [*job.get("channel", ()), *job.get("report", ())])
    sys.path.extend(job["packages"])
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    task.run(job)
    os._exit(0)  # threads that the code has left behind are not waited for
