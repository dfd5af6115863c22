"""What every change must keep: the laws are run, not remembered."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "law",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=" ".join,
)
def test_the_house_keeps_its_law(law: list[str]) -> None:
    done = subprocess.run([BIN / law[0], *law[1:]], cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
