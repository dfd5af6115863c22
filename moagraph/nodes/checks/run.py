"""Run one verifier on one answer, in a process of its own that ends with its time."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from moagraph.nodes.checks.settings import BySql, Check
from moagraph.nodes.checks.verdict import Verdict
from moagraph.nodes.state import Json

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
BOOT += "from moagraph.nodes.checks.inside import main; main()"
VERDICTS = ("passed", "failed", "broken", "unusable")
LONGEST = 2**16  # bytes of a report


async def verdict(check: Check, question: str, answer: str) -> Verdict:
    """What the verifier says; where it says nothing, why."""
    if not answer.strip():
        return Verdict(by=check.by, verdict="failed", why="the answer is empty")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        left = await _ran(check, _job(check, question, answer), folder)
    if left["verdict"] == "failed" and check.why:
        left["why"] = f"{check.why} ({left['why']})"
    return Verdict(by=check.by, verdict=left["verdict"], why=left["why"])


def _job(check: Check, question: str, answer: str) -> Json:
    said = check.model_dump(mode="json")
    reads = []
    if isinstance(check, BySql):
        said["source"] = str(Path(check.source).expanduser().absolute())
        reads = [said["source"]]
    told = {"question": question, "answer": answer, "said": said}
    return {**told, "trusted": check.trusted, "reads": reads}


async def _ran(check: Check, job: Json, folder: str) -> Json:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as report:
        given.write(json.dumps(job).encode())
        given.seek(0)
        code = await _ended(check, folder, given, report)
        report.seek(0)
        said = report.read(LONGEST)
    with suppress(ValueError, TypeError, KeyError):
        read = json.loads(said)
        if read["verdict"] in VERDICTS and isinstance(read["why"], str):
            return {"verdict": read["verdict"], "why": read["why"]}
    return {"verdict": "failed" if check.blames else "broken", "why": _why(check, code)}


def _why(check: Check, code: int | None) -> str:
    if code is None:
        return f"it did not end within {check.timeout:g} s"
    if code < 0:
        name = signal.Signals(-code).name
        return f"it was stopped by {name}; it may take {check.memory_mb} MB of memory"
    return f"it ended before its verdict (exit code {code})"


async def _ended(check: Check, folder: str, given: IO[bytes], report: IO[bytes]) -> int | None:
    """Its exit code, None where its time was up; nothing that it began is left running."""
    path = [os.path.abspath(entry) for entry in (*sys.path, "")]  # a user's module may lie here
    process: Any = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", BOOT, json.dumps(path)),
        stdin=given,
        stdout=report,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=None if check.trusted else folder,
        env=None if check.trusted else {},
        start_new_session=True,
    )
    try:
        return int(await asyncio.wait_for(process.wait(), check.timeout))
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
