"""A process that has imported what `moa` imports, and forks itself for each run of `moa`.

Imports are nearly all that a short run costs. A fork is a process of its own all the same: it has
the words, environment, folder and pipes that a test gives it, and ends with its own exit code.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# What Python reads before any of our code runs.
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")


class Preloaded:
    """The process that forks. It ends with the one that started it, as their socket closes."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._start = _read_at_start(environment)
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "tests.preloaded", str(theirs.fileno())]
        # Pipes, as the forks have them: Python treats a file and a terminal in another way.
        pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with theirs:
            self._process = subprocess.Popen(
                command, env=dict(environment), pass_fds=[theirs.fileno()], **pipes
            )

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether it is alive, and Python would start in this environment as it did for it."""
        return self._process.poll() is None and _read_at_start(environment) == self._start

    def run(
        self, words: Sequence[str | bytes], given: bytes, environment: Mapping[str, str], limit: int
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `moa` as `subprocess.run` would, with at most that many seconds."""
        request = {
            "words": [os.fsdecode(word) for word in words],
            "environment": dict(environment),
            "folder": os.getcwd(),
        }
        with contextlib.ExitStack() as stack:
            stdin, stdout, stderr, replies = self._fork(stack)
            pool = stack.enter_context(ThreadPoolExecutor(3))
            pool.submit(_write, stdin, given)
            out, err = pool.submit(_read, stdout), pool.submit(_read, stderr)
            replies.sendall(json.dumps(request).encode() + b"\n")
            code = _exit_code(replies, limit)
            return subprocess.CompletedProcess(words, code, out.result(), err.result())

    def stop(self) -> None:
        """End it; what it has forked goes on."""
        self._process.kill()
        self._process.wait()

    def _fork(self, stack: contextlib.ExitStack) -> tuple[int, int, int, socket.socket]:
        """The ends of the pipes of a new fork, and of the socket that tells how it ends."""
        (child_in, stdin), (stdout, child_out), (stderr, child_err) = (os.pipe() for _ in range(3))
        replies, child_replies = socket.socketpair()
        socket.send_fds(
            self._socket, [b"f"], [child_in, child_out, child_err, child_replies.fileno()]
        )
        for number in (child_in, child_out, child_err):
            os.close(number)
        child_replies.close()
        return stdin, stdout, stderr, stack.enter_context(replies)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: it for name, it in environment.items() if name.startswith(READ_AT_START)}


def _write(number: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(number, "wb", buffering=0) as pipe:
        pipe.write(data)


def _read(number: int) -> bytes:
    with open(number, "rb") as pipe:
        return pipe.read()


def _exit_code(replies: socket.socket, limit: int) -> int:
    """What the fork ends with; it is killed where it takes too long."""
    replies.settimeout(limit)
    with replies.makefile("r") as lines:
        pid = int(lines.readline())
        try:
            return int(lines.readline())
        except TimeoutError:
            os.kill(pid, 9)
            raise


def _import_all() -> None:
    """All of the package that can be imported here, and with it what it imports."""
    package: Any = importlib.import_module("moagraph")
    for module in pkgutil.walk_packages(package.__path__, "moagraph.", onerror=lambda _: None):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(Exception):  # an extra is not installed
                importlib.import_module(module.name)


def _next_request(control: socket.socket) -> dict[str, Any]:
    """Fork for each request; in the fork that is to run it, its words, environment and folder."""
    while numbers := socket.recv_fds(control, 1, 4)[1]:
        if os.fork() == 0:
            control.close()
            return _supervised(*numbers)
        for number in numbers:
            os.close(number)
        _reap()
    os._exit(0)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervised(stdin: int, stdout: int, stderr: int, number: int) -> dict[str, Any]:
    """Fork once more, and tell the number of that process and how it ends."""
    replies = socket.socket(fileno=number)
    with replies.makefile("r") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
    if pid := os.fork():
        for pipe in (stdin, stdout, stderr):
            os.close(pipe)
        replies.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        replies.sendall(f"{code}\n".encode())
        os._exit(0)
    replies.close()
    for target, pipe in enumerate((stdin, stdout, stderr)):
        os.dup2(pipe, target)
        os.close(pipe)
    return request


def _become(request: dict[str, Any]) -> None:
    """Look like a process that has just been started."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    program = str(Path(sys.executable).with_name("moa"))
    sys.argv = [program, *request["words"]]
    sys.path.insert(0, str(Path(program).parent))


if __name__ == "__main__":
    inherited = socket.socket(fileno=int(sys.argv[1]))
    inherited.set_inheritable(False)
    _import_all()
    gc.freeze()
    _become(_next_request(inherited))
    from moagraph.cli import main

    main()
