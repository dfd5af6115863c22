"""The ways to isolate a process, the best first, and which of them this machine has."""

import importlib.util
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from moagraph.nodes.checks.sandbox import guest
from moagraph.nodes.checks.sandbox.interpreter import interpreter

GUEST = str(Path(guest.__file__).parent)
INSIDE = "/tmp"  # where the code may write, in a file system of its own
FILES, THREADS = 1024, 256  # that may be made in all
SHARED_FILES = 128  # the same, where disk is only limited by file


class SandboxLimits(NamedTuple):
    """What one process may take."""

    seconds: float
    memory_mb: int
    disk_mb: int = 64


class Launch(NamedTuple):
    """How an isolated process is started, and what it is told to do to itself then."""

    command: list[str]
    limits: dict[str, Any]


class Backend(ABC):
    """One way to isolate a process."""

    name: ClassVar[str]

    @abstractmethod
    def missing(self) -> str | None:
        """What this machine lacks for it; None where it may work."""

    @abstractmethod
    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Start it with an own folder, and further files that it may read."""


class Bubblewrap(Backend):
    """Namespaces: no network, no other process, and a file system that holds only Python."""

    name = "bubblewrap"

    def missing(self) -> str | None:
        """The program."""
        return None if shutil.which("bwrap") else "bubblewrap is not installed"

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """All namespaces are new, all capabilities are gone, all is read-only but one folder."""
        python = interpreter()
        size = limits.disk_mb * 2**20
        command = [
            shutil.which("bwrap") or "bwrap",
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
            *("--unshare-uts", "--unshare-cgroup-try", "--uid", "65534", "--gid", "65534"),
            *("--hostname", "sandbox", "--die-with-parent", "--new-session"),
            *("--cap-drop", "ALL", "--clearenv"),
            *("--size", str(size), "--tmpfs", INSIDE),
            *_visible([*python.readable, GUEST, *readable]),
            *(part for name in _DEVICES for part in ("--dev-bind", name, name)),
            *("--remount-ro", "/", "--chdir", INSIDE),
            *("--", *python.command(GUEST, guest.__name__)),
        ]
        settings = {"mode": "namespaces", "folder": INSIDE, "file_bytes": size, "files": FILES}
        return Launch(command, {**settings, **_common(limits)})


class Landlock(Backend):
    """Rules for the machine's own file system, where namespaces are not to be had."""

    name = "landlock"

    def missing(self) -> str | None:
        """The system, or the library."""
        if not sys.platform.startswith("linux"):
            return "Landlock is Linux's"
        return None if importlib.util.find_spec("py_landlock") else "py-landlock is not installed"

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """The process restricts itself; it can neither start another one nor open a socket."""
        python = interpreter()
        spec = importlib.util.find_spec("py_landlock")
        library = str(Path(spec.origin).parent.parent) if spec and spec.origin else ""
        visible = [*python.readable, GUEST, *readable, *_DEVICES]
        settings = {"mode": "landlock", "folder": folder, "readable": visible, "library": library}
        size = limits.disk_mb * 2**20 // SHARED_FILES
        more = {"file_bytes": size, "files": SHARED_FILES, "parent": os.getpid()}
        command = python.command(GUEST, guest.__name__)
        return Launch(command, {**settings, **more, **_common(limits)})


class Unconfined(Backend):
    """A process of its own with limits on what it takes, and none on what it reaches."""

    name = "none"

    def missing(self) -> str | None:
        """Nothing: a recipe has asked for it."""
        return None

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Only memory, time and files are limited."""
        settings = {"mode": "none", "folder": folder, "parent": os.getpid()}
        size = {"file_bytes": limits.disk_mb * 2**20, "files": FILES}
        command = interpreter().command(GUEST, guest.__name__)
        return Launch(command, {**settings, **size, **_common(limits)})


_DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")


def _common(limits: SandboxLimits) -> dict[str, Any]:
    return {"seconds": limits.seconds, "memory_mb": limits.memory_mb, "threads": THREADS}


def _visible(paths: Sequence[str]) -> list[str]:
    """Each path at its own place, read-only; a link of the system's as that link."""
    words: list[str] = []
    for path in dict.fromkeys(paths):
        if os.path.islink(path) and path in ("/lib", "/lib64"):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind", path, path]
    return words
