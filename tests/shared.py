"""Recorded data that is kept beside the project, never in it."""

import os
from pathlib import Path

import pytest

# Read before the tests begin: each of them runs without the settings of who runs them.
FOLDER = Path(os.environ.get("MOA_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")


def shared(name: str) -> Path:
    """The file or folder of that name; without it the test is skipped."""
    if not (FOLDER / name).exists():
        pytest.skip(f"the recorded data {name!r} is not beside the project")
    return FOLDER / name
