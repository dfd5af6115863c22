"""The ways to isolate a process: bubblewrap, Landlock, and none."""

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
    """The resources that a process may use."""

    seconds: float
    memory_mb: int
    disk_mb: int = 64


class Launch(NamedTuple):
    """The command that starts a process, and the limits that it puts on itself then."""

    command: list[str]
    limits: dict[str, Any]


class Backend(ABC):
    """One way to isolate a process."""

    name: ClassVar[str]

    @abstractmethod
    def missing(self) -> str | None:
        """Say what this machine lacks for it, or return None."""

    @abstractmethod
    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Return how to start a process.

        Args:
            limits: The resources that it may use.
            folder: An empty folder in which it may write.
            readable: Files that it may read, in addition to Python's.
        """


class Bubblewrap(Backend):
    """Isolate by namespaces: no network, no other processes, only Python's files."""

    name = "bubblewrap"

    def missing(self) -> str | None:
        """Look for the program."""
        return None if shutil.which("bwrap") else "bubblewrap is not installed"

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Use new namespaces, no capabilities, and read-only mounts but for one folder."""
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
    """Restrict access to the machine's own file system, where namespaces are not available."""

    name = "landlock"

    def missing(self) -> str | None:
        """Look for Linux and for the library."""
        if not sys.platform.startswith("linux"):
            return "Landlock is Linux's"
        return None if importlib.util.find_spec("py_landlock") else "py-landlock is not installed"

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Start the interpreter as it is; the process then restricts itself."""
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
    """Run without isolation: only memory, time and file sizes are limited."""

    name = "none"

    def missing(self) -> str | None:
        """It always works."""
        return None

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        """Start the interpreter as it is."""
        settings = {"mode": "none", "folder": folder, "parent": os.getpid()}
        size = {"file_bytes": limits.disk_mb * 2**20, "files": FILES}
        command = interpreter().command(GUEST, guest.__name__)
        return Launch(command, {**settings, **size, **_common(limits)})


_DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")


def _common(limits: SandboxLimits) -> dict[str, Any]:
    return {"seconds": limits.seconds, "memory_mb": limits.memory_mb, "threads": THREADS}


def _visible(paths: Sequence[str]) -> list[str]:
    """Return the options that show each path read-only in its own place."""
    words: list[str] = []
    for path in dict.fromkeys(paths):
        if os.path.islink(path) and path in ("/lib", "/lib64"):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind", path, path]
    return words
