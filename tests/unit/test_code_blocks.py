import sys
from collections.abc import Callable

import pytest

from moagraph.nodes.checks.sandbox.guest.code_blocks import code_blocks

ANSWERS = {
    "no fence": ("def f(): pass", ["def f(): pass"]),
    "a fence": ("So:\n```python\nx\n```\nDone.", ["x\n"]),
    "two of them": ("```py\nx\n```\n```python3\ny\n```", ["x\n", "y\n"]),
    "of another name": ("```json\n{}\n```", ["```json\n{}\n```"]),
    "of no name": ("```\nx\n```\n```json\n{}\n```", ["x\n"]),
    "of tildes": ("~~~python title\n```\n~~~", ["```\n"]),
    "never closed": ("```python\nx", ["```python\nx"]),
    "closed by more": ("```python\nx\n`````", ["x\n"]),
    "not closed by fewer": ("````python\n```\nx\n````", ["```\nx\n"]),
    "with spaces": ("  ```Python\n  x\n  ```  ", ["  x\n"]),
    "with carriage returns": ("```python\r\nx\r\n```\r\n", ["x\r\n"]),
    "empty": ("```python\n```", [""]),
}


@pytest.mark.parametrize(("answer", "blocks"), ANSWERS.values(), ids=ANSWERS)
def test_the_code_of_an_answer_is_what_stands_in_its_fences(answer: str, blocks: list[str]) -> None:
    assert code_blocks(answer, "python", "py", "python3") == blocks


def steps(act: Callable[[], object]) -> int:
    """How many lines of Python it takes."""
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        act()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("line", ["~~~a", "```", "````\n```\n~~~", "`" * 50])
def test_twice_the_fences_take_at_most_two_and_a_half_times_as_long(line: str) -> None:
    once = steps(lambda: code_blocks(f"{line}\n" * 500, "python"))
    assert steps(lambda: code_blocks(f"{line}\n" * 1000, "python")) <= 2.5 * once
