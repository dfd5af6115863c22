"""Run a check on an answer, in separate processes that are killed when its time is up."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from moagraph.nodes.checks.host_process import ending, run_user_function
from moagraph.nodes.checks.sandbox.backends import Backend, SandboxLimits, Unconfined
from moagraph.nodes.checks.sandbox.choice import sandbox
from moagraph.nodes.checks.sandbox.guest.code_blocks import code_blocks
from moagraph.nodes.checks.sandbox.guest.judge_tests import STARTED
from moagraph.nodes.checks.sandbox.process import Job, ProcessOutcome, run
from moagraph.nodes.checks.settings import ByPython, BySql, ByTests, CheckSettings
from moagraph.nodes.checks.verdict import CheckVerdict
from moagraph.nodes.state import Json

_REPORTED = ("passed", "failed", "broken", "unusable")
NO_SANDBOX = "code that a model wrote runs in a sandbox only, and this machine has none"


async def run_check(
    check: CheckSettings,
    question: str,
    answer: str,
    unsafe: bool | None = None,
    backend: Backend | None = None,
) -> CheckVerdict:
    """Run the check and return its verdict.

    Args:
        check: Its settings in the recipe.
        question: The user's question.
        answer: The answer to check.
        unsafe: Whether the step allows the answer's code to run without a sandbox.
        backend: The sandbox to use; by default the best one of this machine.
    """
    if not answer.strip():
        return CheckVerdict(by=check.by, verdict="failed", why="the answer is empty")
    if isinstance(check, ByPython):
        return _verdict(check, await run_user_function(check, question, answer))
    backend = backend or await asyncio.to_thread(sandbox)
    if not isinstance(check, ByTests):
        return _verdict(check, await _run_text_check(check, answer, backend or Unconfined()))
    if backend is None and not check.runs_unsafe(unsafe):
        return CheckVerdict(by=check.by, verdict="unusable", why=NO_SANDBOX)
    return _verdict(check, await _run_tests(check, answer, backend or Unconfined()))


def _verdict(check: CheckSettings, report: Json) -> CheckVerdict:
    reason = str(report["why"])
    if report["verdict"] != "failed":
        return CheckVerdict(by=check.by, verdict=report["verdict"], why=reason)
    complaint = f"{check.why} ({reason})" if check.why else reason
    verdict = CheckVerdict(by=check.by, verdict="failed", why=complaint)
    return {**verdict, "output": reason} if isinstance(check, ByTests) else verdict


async def _run_text_check(check: CheckSettings, answer: str, backend: Backend) -> Json:
    settings, readable = check.model_dump(mode="json"), list[str]()
    if isinstance(check, BySql):
        file = Path(check.source).expanduser().absolute()
        settings["source"] = str(file)
        readable = [str(path) for path in _with_journal(file) if path.exists()]
    job = Job("text_check", {"settings": settings, "answer": answer}, readable)
    outcome = await run(backend, _limits(check), job)
    return _reported(outcome.report) or _unreported(check, outcome.codes[0])


async def _run_tests(check: ByTests, answer: str, backend: Backend) -> Json:
    """Run the tests in one sandbox and the code in another."""
    code = "\n".join(code_blocks(answer, "python", "py", "python3"))
    code_job = Job("serve_answer", {"code": code})
    tests_job = Job("judge_tests", {"code": code, "tests": check.tests})
    outcome = await run(backend, _limits(check), code_job, tests_job)
    return tests_report(check, outcome)


def tests_report(check: ByTests, outcome: ProcessOutcome) -> Json:
    """Return the report of the process that ran the tests, or how it ended without one."""
    of_code, of_tests = outcome.codes
    if of_tests is None:
        return _unreported(check, None)
    if not outcome.report.startswith(STARTED):
        reason = next(filter(None, outcome.errors), "no reason was given")
        return {"verdict": "broken", "why": f"the sandbox did not start: {reason}"}
    report = outcome.report.removeprefix(STARTED)
    return _reported(report) or _unreported(check, of_code if report else of_tests)


def _with_journal(database: Path) -> list[Path]:
    """Return the paths of an SQLite file and of its write-ahead log."""
    return [database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm"))]


def _limits(check: CheckSettings) -> SandboxLimits:
    return SandboxLimits(seconds=check.timeout, memory_mb=check.memory_mb)


def _reported(report: bytes) -> Json | None:
    with suppress(ValueError, TypeError, KeyError):
        parsed: Json = json.loads(report)
        if parsed["verdict"] in _REPORTED and isinstance(parsed["why"], str):
            return parsed
    return None


def _unreported(check: CheckSettings, code: int | None) -> Json:
    return {"verdict": "failed" if check.blames else "broken", "why": ending(check, code)}
