import pytest

from moagraph.nodes.texts.final_answer import read_letter, read_number, read_words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("So that is 41, no: 42.", "42"),
        ("The answer is 42, as section 3 says.", "42"),
        ("#### 1,234", "1234"),
        ("\\boxed{7} (see 9)", "7"),
        ("It costs $1,234.50", "1234.5"),
        ("1.234,5 Euro", "1234.5"),
        ("one half is 1/2", "0.5"),
        ("\\frac{3}{4}", "0.75"),
        ("1 1/2 cups", "1.5"),
        ("1½", "1.5"),
        ("about 50%", "50"),
        ("3,5", "3.5"),
        ("minus \N{MINUS SIGN}3", "-3"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("2.0 metres", "2"),
        ("1\u202f000 people", "1000"),
        ("Final answer: **12**\nI used step 3.", "12"),
        ("x/0 is 5/0", "5/0"),
        ("none at all", None),
        ("", None),
    ],
)
def test_the_number_of_an_answer(text: str, value: str | None) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("**C**", "C"),
        ("The answer is (D), not (A).", "D"),
        ("Answer: b", "B"),
        ("The correct answer is C because A cat is no dog.", "C"),
        ("\\boxed{A}", "A"),
        ("A) is wrong.\nB) is right, so option B.", "B"),
        ("I think it is (a) or rather (c)", "C"),
        ("D. Because the sky is blue", "D"),
        ("The answer is a good question", None),
        ("A cat", None),
        ("I do not know", None),
        ("", None),
    ],
)
def test_the_letter_of_an_answer(text: str, value: str | None) -> None:
    assert read_letter(text) == value


def test_words_are_the_same_whatever_stands_around_them() -> None:
    assert read_words(" **Paris**.\n") == read_words("paris") == "paris"
    assert read_words("...") is None
