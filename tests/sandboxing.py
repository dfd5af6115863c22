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
from moagraph.nodes.checks.sandbox.process import Outcome
from moagraph.nodes.checks.settings import ByTests

ROOT = Path(__file__).parent.parent
CHILD = ROOT / "tests" / "child" / "sandboxed.py"
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
    ) -> dict[str, str]:
        """The verdict on the code; the process that asks for it has a secret in its environment."""
        told = {"backend": self.backend, "code": code, "tests": tests}
        told |= {"seconds": seconds, "memory_mb": memory_mb}
        answer = self._ask(told, secret)
        if "fault" in answer:
            pytest.skip(f"{self}: {answer['fault']}")
        ended = Outcome(answer["report"].encode(), answer["codes"], answer["errors"])
        check = ByTests(tests=tests, timeout=seconds, memory_mb=memory_mb, unsafe=True)
        return tests_report(check, ended)

    def _ask(self, told: dict[str, Any], secret: str) -> dict[str, Any]:
        python = python_for_nobody() if self.nobody else sys.executable
        if python is None:
            pytest.skip("no interpreter here can be run by `nobody`, or this user is not root")
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        done = subprocess.run(
            [python, "-B", str(CHILD)],
            input=json.dumps(told),
            env={"PYTHONPATH": _path(), SECRET: secret},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **(user if self.nobody else {}),
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def __str__(self) -> str:
        return f"{self.backend}{' as nobody' if self.nobody else ''}"


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
                env={"PYTHONPATH": _path()},
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


def _path() -> str:
    """This checkout, and where py-landlock is."""
    spec = find_spec("py_landlock")
    library = [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []
    return os.pathsep.join([str(ROOT), *library])
