"""The self-test of a sandbox: each attempt must fail."""

import _socket
import ctypes
import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def run(job: dict[str, Any]) -> None:
    """Report the names of the attempts that succeeded."""
    possible = [name for name, attempt in _ATTEMPTS.items() if _succeeds(attempt)]
    os.write(job["report"][0], json.dumps(possible).encode())


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _execute() -> None:
    with suppress(FileNotFoundError):  # the kernel would have started it, had it been there
        os.execv("/no/such/program", ["program"])


def _make_namespace() -> None:
    if ctypes.CDLL(None).unshare(0x10000000) != 0:
        raise PermissionError("no new namespace")


_ATTEMPTS: dict[str, Callable[[], object]] = {
    "a socket": lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM),
    "a process": _fork,
    "a program": _execute,
    "a namespace": _make_namespace,
    "another process's memory": lambda: os.listdir("/proc"),
    "files of the machine": lambda: open("/etc/passwd").close(),
    "a file outside its folder": lambda: os.close(os.open("/", os.O_TMPFILE | os.O_WRONLY)),
    "signals": lambda: os.kill(os.getppid(), 0),
}
