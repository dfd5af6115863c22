"""A sandbox is relied on only where it starts and holds."""

import asyncio
from collections.abc import Sequence

import pytest

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.sandbox import choice
from moagraph.nodes.checks.sandbox.backends import (
    Backend,
    Bubblewrap,
    Landlock,
    Launch,
    SandboxLimits,
    Unconfined,
)
from moagraph.nodes.checks.settings import ByTests
from tests.installed import skip


class Broken(Backend):
    """A program that is there and does not work, as bubblewrap without user namespaces."""

    name = "broken"

    def missing(self) -> str | None:
        return None

    def launch(self, limits: SandboxLimits, folder: str, readable: Sequence[str]) -> Launch:
        return Launch(["/bin/sh", "-c", "echo no namespaces >&2; exit 1"], {})


def test_one_that_does_not_start_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, working = Broken(), Landlock()
    assert choice.fault(broken) == "broken does not start: no namespaces"
    if why := choice.fault(working):
        skip(why)
    monkeypatch.setattr(choice, "BACKENDS", (broken, working))
    assert choice.sandbox() is working


def test_one_that_does_not_hold_is_not_relied_on() -> None:
    fault = choice.fault(Unconfined())
    assert fault
    assert fault.startswith("none does not contain: a socket, a process")
    assert "files of the machine" in fault


def test_bubblewrap_is_preferred() -> None:
    if why := choice.fault(Bubblewrap()):
        skip(why)
    assert isinstance(choice.sandbox(), Bubblewrap)


def test_an_answer_is_not_to_blame_where_the_sandbox_fails() -> None:
    check = ByTests(tests="assert add(1, 2) == 3", timeout=60, unsafe=True)
    found = asyncio.run(run_check(check, "?", "def add(a, b): return a + b", backend=Broken()))
    why = "the sandbox did not start: no namespaces"
    assert found == {"by": "tests", "verdict": "broken", "why": why}
