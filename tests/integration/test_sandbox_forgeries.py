"""Verdicts cannot be forged: what decides runs elsewhere, and the code hands over values only."""

import pytest

from tests.sandbox_forgeries import FORGERIES, HONEST, PARTS, TESTS, YES_MEN
from tests.sandboxing import BOXES, Box

BOX = Box("bubblewrap")


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_code_that_does_what_was_asked_passes(box: Box) -> None:
    assert box.run(HONEST, TESTS) == {"verdict": "passed", "why": ""}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_code_that_does_not_fails_whatever_it_says(forgery: str) -> None:
    report = BOX.run(FORGERIES[forgery], TESTS)
    assert (report["verdict"], report["why"] != "") == ("failed", True), report


@pytest.mark.parametrize("test", PARTS)
@pytest.mark.parametrize("forgery", YES_MEN)
def test_an_object_that_is_equal_to_all_passes_no_test(forgery: str, test: str) -> None:
    report = BOX.run(FORGERIES[forgery], test)
    assert report["verdict"] == "failed", report


def test_what_a_person_sees_names_the_line_of_the_tests_and_of_the_code() -> None:
    code = "def add(a, b):\n    return a + c"
    report = BOX.run(code, "\nassert add(1, 2) == 3")
    lines = "tests.py line 2: assert add(1, 2) == 3; answer.py line 2: return a + c"
    assert report["why"] == f"NameError: name 'c' is not defined ({lines})"


def test_a_name_that_the_answer_and_python_have_is_taken_for_neither() -> None:
    code = "def sum(values): return 3"
    refused = BOX.run(code, "assert sum([1, 2]) == 3")
    assert refused["verdict"] == "failed"
    assert "only `from answer import sum` tells which is meant" in refused["why"]
    assert BOX.run(code, "from answer import sum\nassert sum([4]) == 3")["verdict"] == "passed"
    assert BOX.run(code, "import answer\nassert answer.sum([4]) == sum([3])")["verdict"] == "failed"
