"""The rules of the code's structure; scripts/structure.py measures, and prints the table."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]

# Files over 300 lines, each with the reason.
LONG_FILES = {
    "moagraph/graphs/chat_model.py": "one class: LangChain's interface, its arguments documented",
}


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("structure", ROOT / "scripts" / "structure.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module
    spec.loader.exec_module(module)
    return module


def test_names_are_conventional(structure: ModuleType) -> None:
    private, bound = structure.private_bindings(), structure.bindings()
    assert len(private) <= 0.008 * len(bound), private


def test_no_class_name_is_defined_twice(structure: ModuleType) -> None:
    assert structure.duplicate_classes() == {}


def test_no_modules_import_each_other_in_a_circle(structure: ModuleType) -> None:
    assert structure.import_cycles() == []


def test_a_folder_has_at_most_25_modules(structure: ModuleType) -> None:
    assert {folder: n for folder, n in structure.folders().items() if n > 25} == {}


def test_functions_are_short(structure: ModuleType) -> None:
    lengthy = [(lines, place) for lines, place in structure.functions() if lines > 50]
    assert len(lengthy) <= 5, lengthy


def test_files_are_short_or_say_why_not(structure: ModuleType) -> None:
    sizes = {
        file.relative_to(ROOT).as_posix(): len(file.read_text("utf-8").splitlines())
        for file in structure.source_files()
    }
    assert {name for name, size in sizes.items() if size > 300} == set(LONG_FILES)


def test_the_core_stays_small(structure: ModuleType) -> None:
    # The goal is 9000; what checks replies, keys and trust has been added since.
    assert sum(map(structure.code_lines, structure.core_files())) <= 10_800


def test_a_plain_recipe_loads_few_modules_and_none_of_the_optional_ones(
    structure: ModuleType, tmp_path: Path
) -> None:
    loaded = structure.modules_of_a_plain_ask(tmp_path)
    assert len(loaded) <= 83, loaded  # the goal is 70
    optional = ("privacy", "knowledge", "checks", "steps.sql")
    assert [name for name in loaded if any(f".{part}" in name for part in optional)] == []
