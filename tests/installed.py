"""What a test does where a program that it starts, or a file that it reads, is not there."""

import os
import shutil
from typing import NoReturn

import pytest

# Read once: a test's own environment has no variable of ours.
REQUIRE_ALL = bool(os.environ.get("MOA_TEST_REQUIRE_ALL"))


def skip(reason: str) -> NoReturn:
    """Skip the test; where everything must be there, as in `.ci/run`, fail it."""
    if REQUIRE_ALL:
        pytest.fail(f"MOA_TEST_REQUIRE_ALL is set: {reason}")
    pytest.skip(reason)


def program(name: str, package: str | None = None) -> str:
    """The path of a program, for a test that cannot do without it."""
    return shutil.which(name) or skip(
        f"{name} is not installed: `apt-get install {package or name}`"
    )
