"""Run a user's own check function in a separate process, with this process's environment."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress

from moagraph.nodes.checks import user_function
from moagraph.nodes.checks.settings import ByPython, CheckSettings
from moagraph.nodes.state import Json

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    f"from {user_function.__name__} import main; main()"
)
_SIGNALLED = 128  # is added, inside a sandbox, to the signal that ended a process


async def run_user_function(check: ByPython, question: str, answer: str) -> Json:
    """Return the function's verdict, or `broken` if it gives none."""
    job = {"function": check.function, "question": question, "answer": answer}
    with tempfile.TemporaryFile() as job_file, tempfile.TemporaryFile() as report:
        job_file.write(json.dumps(job).encode())
        job_file.seek(0)
        path = [os.path.abspath(entry) for entry in (*sys.path, "")]  # a module may lie here
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", _START, json.dumps(path)),
            stdin=job_file,
            stdout=report,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        code = await _code_in_time(process, check.timeout)
        report.seek(0)
        output = report.read()
    if output:
        outcome: Json = json.loads(output)
        return outcome
    return {"verdict": "broken", "why": ending(check, code)}


def ending(check: CheckSettings, code: int | None) -> str:
    """Describe the exit of a process that left no verdict; a code of None means a timeout."""
    if code is None:
        return f"it did not end within {check.timeout:g} s"
    number = -code if code < 0 else code - _SIGNALLED
    if number in {*signal.Signals}:
        name = signal.Signals(number).name
        return f"it was stopped by {name}; it may take {check.memory_mb} MB of memory"
    return f"it ended before its verdict (exit code {code})"


async def _code_in_time(process: asyncio.subprocess.Process, seconds: float) -> int | None:
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return None
    finally:  # nothing that it began is left running
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
