"""Code of strangers in each sandbox that this machine has, as this user and as nobody."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from moagraph.nodes.checks.run import tests_report
from moagraph.nodes.checks.sandbox import choice
from moagraph.nodes.checks.sandbox.process import ProcessOutcome
from moagraph.nodes.checks.settings import ByTests
from tests.installed import skip

ROOT = Path(__file__).parent.parent
CHILD = Path("tests") / "child" / "sandboxed.py"
NOBODY = 65534
SECRET = "SANDBOX_SECRET"


@dataclass(frozen=True)
class Box:
    """One way to isolate, for one user."""

    backend: str
    nobody: bool = False

    def run(
        self,
        code: str,
        tests: str,
        *,
        seconds: float = 60,
        memory_mb: int = 1024,
        secret: str = "",
        checkout: Path = ROOT,
    ) -> dict[str, str]:
        """The verdict on the code; the process that asks for it has a secret in its environment."""
        with self.start(
            code, tests, seconds=seconds, memory_mb=memory_mb, secret=secret, checkout=checkout
        ) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        answer = json.loads(out)
        if "fault" in answer:
            skip(f"{self}: {answer['fault']}")
        ended = ProcessOutcome(answer["report"].encode(), answer["codes"], answer["errors"])
        check = ByTests(tests=tests, timeout=seconds, memory_mb=memory_mb, unsafe=True)
        return tests_report(check, ended)

    def start(
        self,
        code: str,
        tests: str,
        *,
        seconds: float = 60,
        memory_mb: float = 1024,
        secret: str = "",
        checkout: Path = ROOT,
    ) -> "subprocess.Popen[str]":
        """The process that asks for the verdict, which it prints."""
        python = python_for_nobody() if self.nobody else sys.executable
        if python is None:
            pytest.skip("no interpreter here can be run by `nobody`, or this user is not root")
        told: dict[str, Any] = {"backend": self.backend, "code": code, "tests": tests}
        told |= {"seconds": seconds, "memory_mb": memory_mb}
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        process = subprocess.Popen(
            [python, "-B", str(checkout / CHILD)],
            env={"PYTHONPATH": _path(checkout), SECRET: secret},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **(user if self.nobody else {}),
        )
        assert process.stdin
        process.stdin.write(json.dumps(told))
        process.stdin.close()
        process.stdin = None
        return process

    def __str__(self) -> str:
        return f"{self.backend}{' as nobody' if self.nobody else ''}"


def needs_sandbox() -> None:
    """Skip where code of a model would be refused."""
    if choice.sandbox() is None:
        skip(choice.faults())


BOXES = [Box(name, nobody) for name in ("bubblewrap", "landlock") for nobody in (False, True)]


@cache
def python_for_nobody() -> str | None:
    """An interpreter that such a user can run, with this checkout."""
    if os.getuid() != 0:
        return None
    script = "import sys; assert sys.version_info >= (3, 11); import tests.child.sandboxed"
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-B", "-c", script],
                env={"PYTHONPATH": _path(ROOT)},
                cwd="/",
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def _path(checkout: Path) -> str:
    """The checkout, and where py-landlock is."""
    spec = find_spec("py_landlock")
    library = [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []
    return os.pathsep.join([str(checkout), *library])
