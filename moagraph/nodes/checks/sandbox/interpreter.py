"""The interpreter that runs inside a sandbox, and the files that it needs."""

import compileall
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

# Read where they are there: shared libraries, how to find them, time zones.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store"),
    *("/etc/ld.so.cache", "/usr/share/zoneinfo"),
)


class Interpreter(NamedTuple):
    """The base interpreter, without a virtual environment."""

    executable: str
    readable: tuple[str, ...]
    packages: tuple[str, ...]

    def command(self, guest: str, package: str) -> list[str]:
        """Return the command that runs the guest package, isolated and without `site`."""
        compile_guest(guest)
        return [self.executable, *_FLAGS, "-c", _START, guest, package]


_FLAGS = ("-I", "-S", "-E", "-B", "-X", "utf8")

# The packages above the guest's are not there to import, and would only cost time.
_START = """
import importlib, sys, types
folder, package = sys.argv[1:]
names = package.split(".")
for end in range(1, len(names) + 1):
    name = ".".join(names[:end])
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder] if name == package else []
importlib.import_module(package + ".entry").main()
"""


@cache
def compile_guest(folder: str) -> None:
    """Compile the guest's modules once; a sandboxed process cannot store the result."""
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            compileall.compile_dir(folder, quiet=2)


@cache
def interpreter() -> Interpreter:
    """Return the interpreter of this process and its installed packages."""
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    prefix = os.path.realpath(sys.base_prefix)
    libraries = [os.path.join(prefix, name) for name in ("lib", "lib64")]
    packages = tuple(path for path in sys.path if _is_package_folder(path))
    candidates = [executable, *libraries, *_SYSTEM, *map(os.path.realpath, packages)]
    return Interpreter(executable, _without_inner(candidates), packages)


def _is_package_folder(path: str) -> bool:
    """Whether packages are installed there; other folders on the path belong to the user."""
    prefixes = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    inside = any(_within(os.path.realpath(path), prefix) for prefix in prefixes)
    return inside and Path(path).name in ("site-packages", "dist-packages")


def _without_inner(paths: list[str]) -> tuple[str, ...]:
    """Return the existing paths, without those inside another one."""
    existing = sorted({path for path in paths if os.path.exists(path)})
    outer: list[str] = []
    for path in existing:
        if not any(_within(path, folder) and not os.path.islink(folder) for folder in outer):
            outer.append(path)
    return tuple(outer)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
