"""What `.ci/newest` reports: packages that differ from the lock file, and failed tests."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

LOCK = """\
langsmith==0.14.17 \\
    --hash=sha256:00
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:01
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:02
zope.interface==7.0
"""
REPORT = """\
<testsuites><testsuite>
  <testcase classname="tests.a" name="test_passes" />
  <testcase classname="tests.a" name="test_skips"><skipped message="no" /></testcase>
  <testcase classname="tests.a" name="test_fails"><failure message="it is&#10;so" /></testcase>
  <testcase classname="tests.b" name="test_breaks"><error message="no server" /></testcase>
</testsuite></testsuites>
"""


@pytest.fixture(scope="module")
def newest() -> Any:
    """The script as a module: it has no suffix that Python would import."""
    loader = SourceFileLoader("newest", str(ROOT / ".ci" / "newest"))
    spec = importlib.util.spec_from_loader("newest", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_package_differs_whose_version_no_line_of_the_lock_has(newest: Any) -> None:
    installed = {"langsmith": "0.15.1", "numpy": "2.5.5", "Zope_Interface": "7.0", "shiny": "1"}
    assert [*newest.differences(newest.locked_versions(LOCK), installed)] == [
        ("langsmith", "0.14.17", "0.15.1"),
        ("shiny", "not locked", "1"),
    ]


def test_a_failed_test_and_a_broken_fixture_are_reported_with_a_line_each(newest: Any) -> None:
    assert [*newest.failures(REPORT)] == [
        ("tests.a::test_fails", "it is"),
        ("tests.b::test_breaks", "no server"),
    ]


def test_the_marked_job_is_the_one_that_ci_runs(newest: Any) -> None:
    [_, expression] = newest.JOBS["marked"]
    assert f"-m '{expression}'" in (ROOT / ".ci" / "run").read_text()
