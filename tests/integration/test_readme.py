import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from moagraph.graphs.recipe.load import load_recipe, recipe_names
from tests.provider import Provider
from tests.readme import README, ROOT, blocks, drawing, results
from tests.terminal import MOA, environment

TEXT = README.read_text()
SHELL = blocks(TEXT, "sh")
SET_UP = 2  # the first blocks install, and are run by .ci/run


@pytest.fixture
def folder(provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's recipe, whose provider is on this machine."""
    monkeypatch.delenv("OPENAI_API_KEY")
    (tmp_path / "mine.toml").write_text(blocks(TEXT, "toml")[0])
    monkeypatch.setenv("PATH", f"{Path(MOA).parent}:{environment()['PATH']}")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_set_up_commands_are_one_line_and_the_ones_that_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    extract = re.search(r"awk -v n=\"\$1\" '([^']+)' README.md", script)
    assert extract
    for number, block in enumerate(SHELL[:SET_UP], 1):
        command = ["awk", "-v", f"n={number}", extract[1], str(README)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert told == block
        assert block.count("\n") == 1


def test_every_other_command_runs(folder: Path, provider: Provider) -> None:
    for block in SHELL[SET_UP:]:
        before = len(provider.calls)
        told = run(folder, "bash", "-euo", "pipefail", "-c", block)
        assert told, block
        asks = any(
            f"moa {verb}" in block for verb in ("ask", "batch", "eval run", "replay", "resume")
        )
        assert (len(provider.calls) > before) is asks, block


def test_every_python_block_runs(folder: Path, provider: Provider) -> None:
    for block in blocks(TEXT, "python"):
        told = run(folder, sys.executable, "-W", "error:::__main__", "-c", block)
        assert "answer number" in told, block


def test_the_drawing_is_what_the_command_draws(folder: Path) -> None:
    [shown] = blocks(TEXT, "mermaid")
    assert shown == drawing(TEXT)
    assert run(folder, "moa", "graph", "--recipe", "mine.toml").strip() == shown.strip()


def test_every_recipe_that_is_shown_answers(folder: Path) -> None:
    for number, block in enumerate(blocks(TEXT, "toml")[1:]):
        (folder / f"{number}.toml").write_text(block)
        told = run(folder, "moa", "ask", "--recipe", f"{number}.toml", "--explain", "why?")
        assert "answer number" in told


def test_the_table_of_recipes_is_the_list_of_recipes(folder: Path) -> None:
    rows = dict(re.findall(r"^\| `([\w.-]+)` \|.*\| (\d+) \|$", TEXT, re.MULTILINE))
    listed = json.loads(run(folder, "moa", "recipes", "--json"))
    assert {name: int(calls) for name, calls in rows.items()} == {
        one["name"]: one["calls"] for one in listed
    }
    assert [load_recipe(name).name for name in recipe_names()] == recipe_names()


def test_every_measured_table_is_the_file_that_the_bench_wrote() -> None:
    for name, shown, held in results(TEXT):
        assert shown == held, f"{name}: python -m tests.readme --write"


def test_every_block_is_of_a_language_that_is_run_or_compared() -> None:
    assert set(re.findall(r"^```(\w+)$", TEXT, re.MULTILINE)) == {"sh", "toml", "mermaid", "python"}
    assert [
        link for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT) if not (ROOT / link).exists()
    ] == []
