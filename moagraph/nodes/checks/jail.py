"""Limits for code that a model wrote: a fence against careless code, and no prison.

Where the machine allows it the kernel takes the network away, and ends whatever was started;
everywhere Python itself refuses files of others, the network and new processes.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_NET, _NEW_PIDS, _NEW_IPC = 0x10000000, 0x40000000, 0x20000000, 0x08000000
_DIE_WITH_PARENT = 1
_FILE_BYTES = 64 * 2**20

_NEVER = (
    *("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill"),
    *("os.killpg", "os.startfile", "subprocess.Popen", "pty.spawn", "ctypes.dlsym"),
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
    *("socket.gethostbyname", "socket.gethostbyaddr"),
)
_READS = ("open", "os.listdir", "os.scandir")
_WRITES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "os.chflags"),
    *("shutil.rmtree", "shutil.move", "shutil.copyfile", "sqlite3.connect"),
)


def close(memory_mb: int, seconds: float, reads: Sequence[str]) -> None:
    """From here on only so much can be used, read and reached; the working folder is its own."""
    with suppress(OSError, AttributeError):  # not on Linux
        _alone()
    cpu = int(seconds) + 1
    for what, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory_mb * 2**20),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # already lower
            resource.setrlimit(what, (most, most))
    inside = _roots(reads)
    sys.path[:] = [path for path in sys.path if path and _within(path, inside)]
    sys.addaudithook(_Guard(os.path.realpath(Path.cwd()), inside))


def _alone() -> None:
    """Leave the network, and become the first process of a world that ends with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if libc.unshare(_NEW_USER | _NEW_NET | _NEW_PIDS | _NEW_IPC) != 0:
        return
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:  # end as it ended
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), -code)
        os._exit(code)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class _Guard:
    """Refuse what the code has no business with."""

    def __init__(self, own: str, reads: tuple[str, ...]) -> None:
        self.own, self.reads = own, (own, *reads)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _NEVER:
            raise PermissionError(f"{event} is not allowed here")
        if event in _READS and not _within(args[0], self._allowed(event, args)):
            raise PermissionError(f"{args[0]!r} cannot be opened here")
        if event in _WRITES:
            for path in args[:2]:
                if isinstance(path, str | bytes) and not _within(path, (self.own,)):
                    raise PermissionError(f"{path!r} cannot be changed here")

    def _allowed(self, event: str, args: tuple[Any, ...]) -> tuple[str, ...]:
        reading = event != "open" or not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return self.reads if reading else (self.own, os.devnull)


def _roots(reads: Sequence[str]) -> tuple[str, ...]:
    """Python's own files and its packages, and what the verifier itself reads."""
    own = (sys.prefix, sys.base_prefix, os.devnull, "/dev/urandom", "/usr/share/zoneinfo")
    return tuple(os.path.realpath(path) for path in (*own, *reads))


def _within(path: Any, roots: tuple[str, ...]) -> bool:
    if isinstance(path, int) or path is None:
        return True
    real = os.path.realpath(os.fsdecode(path))
    return any(real == root or real.startswith(root.rstrip("/") + "/") for root in roots)
