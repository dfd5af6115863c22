"""Steps and providers of other packages: installed, used, duplicated, broken and removed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import MOA

ROOT = Path(__file__).parents[2]
RECIPE = """
[[layers]]
proposers = ["scripted:one two three", "scripted:one", "scripted:four five"]
aggregate = { step = "longest" }
"""
BROKEN = """
from moagraph import Step

class NoStep:
    pass
"""


def install(project: Path, site: Path) -> None:
    """Install a package into a folder of its own, as a fresh environment would have it."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(site), str(project)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    for example in ("custom_step", "custom_provider"):
        install(ROOT / "examples" / example, site)
    return site


def declare(site: Path, package: str, group: str, **names: str) -> None:
    """Add the metadata of an installed package that has these entry points."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in names.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")


def moa(site: Path, home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "MOA_HOME": str(home), **variables}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        [MOA, *words],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(RECIPE)
    return str(file)


def test_a_step_of_another_package_is_asked_shown_and_replayed(
    packages: Path, tmp_path: Path, recipe: str
) -> None:
    home = tmp_path / "home"
    done = moa(packages, home, "ask", "-r", recipe, "hi", "--thread", "t", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["answer"] == "one two three"
    [record] = [step for step in result["steps"] if step["node"] == "L1_longest"]
    assert record["lengths"] == {"01": 3, "02": 1, "03": 2}
    shown = moa(packages, home, "show", "t")
    assert shown.returncode == 0
    assert "one two three" in shown.stdout
    replayed = moa(packages, home, "replay", "t", "--edit", "1.02=a b c d e", "--json")
    assert json.loads(replayed.stdout)["answer"] == "a b c d e"


def test_a_step_of_another_package_is_drawn_estimated_and_listed(
    packages: Path, tmp_path: Path, recipe: str
) -> None:
    drawn = moa(packages, tmp_path, "graph", "--recipe", recipe)
    assert "L1_longest" in drawn.stdout
    estimate = moa(packages, tmp_path, "ask", "-r", recipe, "hi", "--estimate", "--json")
    assert json.loads(estimate.stdout)["calls"] == 3
    rows = {
        row["step"]: row for row in json.loads(moa(packages, tmp_path, "steps", "--json").stdout)
    }
    assert rows["longest"]["package"] == "moagraph-custom-step"
    assert rows["rank"]["package"] == rows["verify"]["package"] == "moagraph"


def test_a_key_of_such_a_step_that_does_not_exist_is_refused_with_its_line(
    packages: Path, tmp_path: Path, recipe: str
) -> None:
    Path(recipe).write_text(RECIPE.replace('"longest"', '"longest", unyt = "words"'))
    done = moa(packages, tmp_path, "ask", "-r", recipe, "hi")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("mine.toml:4: `unyt`: did you mean `unit`?")


def test_a_provider_of_another_package_answers(packages: Path, tmp_path: Path) -> None:
    faq, file = tmp_path / "faq.json", tmp_path / "faq.toml"
    faq.write_text(json.dumps({"returns": "within 30 days"}))
    text = '[[layers]]\nproposers = ["faq:returns"]\naggregate = {step = "vote"}\n'
    file.write_text(text)
    done = moa(packages, tmp_path, "ask", "-r", str(file), "hi", FAQ_FILE=str(faq))
    assert (done.returncode, done.stdout) == (0, "within 30 days\n")
    refused = moa(packages, tmp_path, "ask", "-r", str(file), "hi")
    assert refused.returncode == 2
    assert "`faq:` needs a file: set FAQ_FILE" in refused.stderr
    listed = json.loads(moa(packages, tmp_path, "models", "--json").stdout)
    [row] = [row for row in listed if row["provider"] == "faq"]
    assert row["package"] == "moagraph-custom-provider"


def test_a_removed_step_is_refused_in_a_line_and_its_thread_is_still_shown(
    packages: Path, tmp_path: Path, recipe: str
) -> None:
    moa(packages, tmp_path, "ask", "-r", recipe, "hi", "--thread", "t")
    empty = tmp_path / "empty"
    empty.mkdir()
    asked = moa(empty, tmp_path, "ask", "-r", recipe, "hi")
    assert asked.returncode == 2
    assert "there is no step 'longest'" in asked.stderr
    assert len(asked.stderr.strip().splitlines()) == 1
    replayed = moa(empty, tmp_path, "replay", "t", "--edit", "1.02=x")
    assert replayed.returncode == 2
    assert "longest" in replayed.stderr
    assert "Traceback" not in replayed.stderr


def test_two_packages_with_one_step_are_refused_with_both_names(
    packages: Path, tmp_path: Path, recipe: str
) -> None:
    site = tmp_path / "second"
    declare(site, "other-steps", "moagraph.steps", longest="moagraph_custom_step.longest:Longest")
    both = f"{packages}{os.pathsep}{site}"
    done = subprocess.run(
        [MOA, "ask", "-r", recipe, "hi"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": both, "MOA_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 2
    assert "moagraph-custom-step" in done.stderr
    assert "other-steps" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such_module:Longest", "cannot be imported"),
        ("broken_steps:NoStep", "is not a subclass of moagraph.Step"),
    ],
)
def test_a_broken_package_is_one_line_and_everything_else_works(
    tmp_path: Path, recipe: str, target: str, why: str
) -> None:
    site = tmp_path / "site"
    declare(site, "broken-steps", "moagraph.steps", longest=target)
    (site / "broken_steps.py").write_text(BROKEN)
    done = moa(site, tmp_path, "ask", "-r", recipe, "hi")
    assert done.returncode == 2
    assert why in done.stderr
    assert "broken-steps" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    plain = tmp_path / "plain.toml"
    plain.write_text(RECIPE.replace("longest", "vote"))
    assert moa(site, tmp_path, "ask", "-r", str(plain), "hi").returncode == 0
