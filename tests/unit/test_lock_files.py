"""The lock files: what the README installs is what pyproject.toml wants, each with a hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
NOT_LOCKED = {"png"}  # compiles against the headers of Graphviz

WANTED = {
    "build": GROUPS["build"],
    "local": [*PROJECT["project"]["dependencies"], *EXTRAS["local"], *GROUPS["build"]],
    "dev": [
        *PROJECT["project"]["dependencies"],
        *(it for extra in EXTRAS.keys() - NOT_LOCKED for it in EXTRAS[extra]),
        *GROUPS["build"],
        *GROUPS["dev"],
    ],
}


def entries(name: str) -> list[str]:
    """The lines of a lock file with the lines that continue them."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return re.findall(r"^\S.*(?:\n .*)*", text, re.MULTILINE)


def pins(name: str, python: str) -> dict[str, str]:
    """Each package that the file installs there, and its version."""
    here = {key: str(value) for key, value in default_environment().items()}
    environment = here | {"python_version": python, "python_full_version": f"{python}.9"}
    found = [Requirement(it.partition(" \\")[0]) for it in entries(name)]
    return {
        canonicalize_name(it.name): str(it.specifier).removeprefix("==")
        for it in found
        if it.marker is None or it.marker.evaluate(environment)
    }


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_has_a_version_that_each_requirement_allows(name: str, python: str) -> None:
    locked = pins(name, python)
    for requirement in map(Requirement, WANTED[name]):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement} is not {version} of requirements/{name}.lock: run scripts/lock"
        )


@pytest.mark.parametrize("name", WANTED)
def test_each_release_is_exact_and_has_a_hash(name: str) -> None:
    for entry in entries(name):
        assert re.match(r"[a-z0-9._-]+==\S+ ", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", ["build", "local"])
def test_a_small_lock_file_has_the_versions_that_the_tests_run_with(name: str, python: str) -> None:
    assert pins(name, python).items() <= pins("dev", python).items()


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_names_no_place_to_fetch_from(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    assert re.findall(r"https?:|file:|--(?:extra-)?index-url|--find-links", text) == []
