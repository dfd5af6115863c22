"""Run code and its tests in a sandbox, as standard input says; its own environment has a secret.

It needs the standard library only, so that any interpreter and any user can run it.
"""

import asyncio
import json
import sys
from typing import Any

from moagraph.nodes.checks.sandbox.backends import (
    Backend,
    Bubblewrap,
    Landlock,
    SandboxLimits,
    Unconfined,
)
from moagraph.nodes.checks.sandbox.choice import fault
from moagraph.nodes.checks.sandbox.process import Job, run

BACKENDS: dict[str, Backend] = {b.name: b for b in (Bubblewrap(), Landlock(), Unconfined())}


def outcome(backend: Backend, told: dict[str, Any]) -> dict[str, Any]:
    """What the processes left behind."""
    limits = SandboxLimits(told["seconds"], told["memory_mb"])
    code = Job("serve_answer", {"code": told["code"]})
    tests = Job("judge_tests", {"code": told["code"], "tests": told["tests"]})
    ended = asyncio.run(run(backend, limits, code, tests))
    return {**ended._asdict(), "report": ended.report.decode()}


if __name__ == "__main__":
    told = json.load(sys.stdin)
    backend = BACKENDS[told["backend"]]
    why = fault(backend) if backend.name != "none" else None
    sys.stdout.write(json.dumps({"fault": why} if why else outcome(backend, told)))
