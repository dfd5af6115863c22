"""Find the sandbox that works on this machine, by running a self-test in each."""

import json
import subprocess
import tempfile
from functools import cache

from moagraph.nodes.checks.sandbox.backends import Backend, Bubblewrap, Landlock, SandboxLimits
from moagraph.nodes.checks.sandbox.process import Job, encoded

BACKENDS: tuple[Backend, ...] = (Bubblewrap(), Landlock())
_LIMITS = SandboxLimits(seconds=60, memory_mb=512)
_SECONDS = 60  # of a machine under load; a start takes a hundredth of one


def sandbox() -> Backend | None:
    """Return the first backend that works here, or None."""
    return next((backend for backend in BACKENDS if fault(backend) is None), None)


def faults() -> str:
    """Say in one line why no backend works."""
    return "; ".join(reason for backend in BACKENDS if (reason := fault(backend)))


@cache
def fault(backend: Backend) -> str | None:
    """Say why a backend does not work here, or return None; the answer is cached."""
    if missing := backend.missing():
        return missing
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as report:
        launch = backend.launch(_LIMITS, folder, ())
        job = encoded(Job("self_test", {}), launch.limits, {"report": (report.fileno(),)})
        try:
            done = subprocess.run(
                launch.command,
                input=job,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(report.fileno(),),
                env={},
                cwd=folder,
                start_new_session=True,
                timeout=_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{backend.name}: {error}"
        report.seek(0)
        output = report.read()
    if not output:
        lines = done.stderr.decode(errors="replace").split("\n")
        reason = next((line for line in reversed(lines) if line.strip()), f"exit {done.returncode}")
        return f"{backend.name} does not start: {reason[:200]}"
    possible = json.loads(output)
    return f"{backend.name} does not contain: {', '.join(possible)}" if possible else None
