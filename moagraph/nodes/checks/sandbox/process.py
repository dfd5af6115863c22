"""Start isolated processes, connect them, and kill them when their time is up."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import IO, Any, NamedTuple

from moagraph.nodes.checks.sandbox.backends import Backend, SandboxLimits
from moagraph.nodes.checks.sandbox.interpreter import interpreter

MAX_REPORT = 2**16  # bytes
MAX_ERROR = 200  # characters
_SIGNALLED = 128  # bubblewrap and the supervisor add it to the signal that ended a process
_LAST_WORDS = 5  # seconds for a process to end whose partner has

Process = asyncio.subprocess.Process


class Job(NamedTuple):
    """The guest module that a process runs, and its input."""

    task: str
    values: dict[str, Any]
    readable: Sequence[str] = ()


class ProcessOutcome(NamedTuple):
    """The last process's report, and how each process ended."""

    report: bytes
    codes: list[int | None]  # None: it was still running when its time was up
    errors: list[str]  # the last line that each wrote before its job began


class Channels:
    """Two pipes between two processes; the parent closes its ends after both have started."""

    def __init__(self) -> None:
        """Open the pipes."""
        (a_reads, b_writes), (b_reads, a_writes) = os.pipe(), os.pipe()
        self.ends: list[tuple[int, ...]] = [(a_reads, a_writes), (b_reads, b_writes)]

    def close(self) -> None:
        """Close the ends that are still open in the parent."""
        for descriptor in (end for ends in self.ends for end in ends):
            os.close(descriptor)
        self.ends = []


async def run(backend: Backend, limits: SandboxLimits, *jobs: Job) -> ProcessOutcome:
    """Run one job, or two that are connected, until the last one ends or its time is up.

    Args:
        backend: The sandbox for each process.
        limits: The resources of each process.
        jobs: One job for each process; the last one reports.
    """
    with ExitStack() as stack:
        report = stack.enter_context(tempfile.TemporaryFile())
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in jobs]
        channels = stack.enter_context(closing(Channels()))
        processes: list[Process] = []
        try:
            for number, (job, error) in enumerate(zip(jobs, errors, strict=True), 1):
                ends = channels.ends[number - 1] if len(jobs) > 1 else ()
                files = {"report": (report.fileno(),)} if number == len(jobs) else {}
                folder = stack.enter_context(_own_folder())
                start = _Start(backend, limits, job, folder, {**files, "channel": ends}, error)
                processes.append(await start.process())
            channels.close()
            await _until_ended(processes, limits.seconds)
            codes = [process.returncode for process in processes]
        finally:
            for process in processes:
                await _kill(process)
        return ProcessOutcome(_contents(report), codes, [_last_line(error) for error in errors])


class _Start(NamedTuple):
    """Everything that a process is started with."""

    backend: Backend
    limits: SandboxLimits
    job: Job
    folder: str
    descriptors: dict[str, tuple[int, ...]]
    errors: IO[bytes]

    async def process(self) -> Process:
        """Start it with an empty environment, in a new session, its job on standard input."""
        launch = self.backend.launch(self.limits, self.folder, self.job.readable)
        with tempfile.TemporaryFile() as job_file:
            job_file.write(encoded(self.job, launch.limits, self.descriptors))
            job_file.seek(0)
            return await asyncio.create_subprocess_exec(
                *launch.command,
                stdin=job_file,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=[end for ends in self.descriptors.values() for end in ends],
                env={},
                cwd=self.folder,
                start_new_session=True,
            )


def encoded(job: Job, limits: dict[str, Any], descriptors: dict[str, tuple[int, ...]]) -> bytes:
    """Encode the input of a process."""
    job_settings = {"task": job.task, "limits": limits, "packages": interpreter().packages}
    return json.dumps({**job.values, **job_settings, **descriptors}).encode()


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


async def _until_ended(processes: list[Process], seconds: float) -> None:
    """Wait for the last process, then shortly for the others, which lose their connection."""
    *others, last = processes
    try:
        async with asyncio.timeout(seconds):
            await last.wait()
            async with asyncio.timeout(_LAST_WORDS):
                for process in others:
                    await process.wait()
    except TimeoutError:
        pass


async def _kill(process: Process) -> None:
    """Kill it and its process group; the processes of a sandbox are killed with it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _contents(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(MAX_REPORT)


def _last_line(file: IO[bytes]) -> str:
    lines = _contents(file).decode(errors="replace").split("\n")
    return next((line[:MAX_ERROR] for line in reversed(lines) if line.strip()), "")
