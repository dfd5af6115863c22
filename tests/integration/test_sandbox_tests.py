"""Tests of correct code pass, though they run in another process than the code."""

import asyncio
import re
from pathlib import Path

import pytest

from moagraph.nodes.checks.run import run_check
from moagraph.nodes.checks.sandbox.backends import Backend, Bubblewrap, Landlock, Unconfined
from moagraph.nodes.checks.sandbox.choice import fault
from moagraph.nodes.checks.settings import ByTests, CheckSettings
from moagraph.nodes.checks.verdict import CheckVerdict
from tests.installed import skip

BUBBLEWRAP, LANDLOCK = Bubblewrap(), Landlock()
PAGE = Path(__file__).parent.parent / "sandbox_correct.md"
ENTRY = re.compile(r"## ([^\n]+)\n\n```python\n(.*?)```\n\n```python\n(.*?)```\n", re.DOTALL)
CORRECT = {name: (code, tests) for name, code, tests in ENTRY.findall(PAGE.read_text())}
IN_EACH = ["a class", "it calls the tests back", "files of its own", "numpy"]


def checked(code: str, tests: str, backend: Backend = BUBBLEWRAP) -> CheckVerdict:
    why = None if isinstance(backend, Unconfined) else fault(backend)
    if why:
        skip(why)
    check: CheckSettings = ByTests(tests=tests, timeout=60, unsafe=True)
    return asyncio.run(run_check(check, "?", f"```python\n{code}\n```", backend=backend))


@pytest.mark.parametrize("what", CORRECT)
def test_correct_code_passes(what: str) -> None:
    if what in ("numpy", "pytest"):
        pytest.importorskip(what)
    found = checked(*CORRECT[what])
    assert (found["verdict"], found["why"]) == ("passed", "")


@pytest.mark.parametrize(
    "what", ["a class", "it calls the tests back", "files of its own", "numpy"]
)
@pytest.mark.parametrize("backend", [LANDLOCK, Unconfined()], ids=lambda backend: backend.name)
def test_correct_code_passes_in_each_sandbox(what: str, backend: Backend) -> None:
    if what == "numpy":
        pytest.importorskip(what)
    assert checked(*CORRECT[what], backend)["verdict"] == "passed"


IMPOSSIBLE = {
    "derived from the answer's class": (
        "class Shape: pass",
        "class Square(Shape): pass",
        "the tests cannot derive from a class of the answer",
    ),
    "builtins replaced for the answer": (
        "def ask(): return input()",
        "import builtins\nbuiltins.input = lambda: 'yes'\nassert ask() == 'yes'",
        "EOFError",
    ),
    "seeds for the answer": (
        "import random\ndef draw(): return random.random()",
        "import random\nrandom.seed(1)\nfirst = random.random()\n"
        "random.seed(1)\nassert draw() == first",
        "AssertionError",
    ),
    "a file handed over": (
        "def read(file): return file.read()",
        "import zipfile\nread(zipfile.ZipInfo())",
        "a `ZipInfo` cannot be handed to the answer's code",
    ),
}


@pytest.mark.parametrize(("code", "tests", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_tests_cannot_do_from_another_process_fails(code: str, tests: str, why: str) -> None:
    """The page on checks says so; each of these fails, and none passes without reason."""
    found = checked(code, tests)
    assert (found["verdict"], why in found["why"]) == ("failed", True), found
