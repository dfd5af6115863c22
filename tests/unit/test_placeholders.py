import pytest

from moagraph.nodes.privacy.placeholders import put_back, spelled, tidied

VALUES = {"<PERSON_1>": "Anna", "<PERSON_1b>": "ANNA", "<SECRET_2>": "<PERSON_1>"}


@pytest.mark.parametrize(
    "said",
    [
        "<person 1>", "PERSON_1", "<Person_1>", "[PERSON_1]", "&lt;PERSON_1&gt;", "< PERSON_1 >",
        "<PERSON-1>", "**<PERSON_1>**", "{PERSON_1}", "\uff1cPERSON_1\uff1e", "<PERSON\\_1>",
        "<PERSON_01>",
    ],
)  # fmt: skip
def test_a_bent_placeholder_is_put_right(said: str) -> None:
    tidy = tidied(f"Ask {said} now", VALUES)
    assert tidy.text.replace("*", "") == "Ask <PERSON_1> now"
    assert (tidy.mangled, tidy.invented) == (0 if "<PERSON_1>" in said else 1, [])


@pytest.mark.parametrize("said", ["Person 1", "person_1", "list[1]", "f(x_1)", "MAX_1", "<b1>"])
def test_what_is_no_placeholder_stays(said: str) -> None:
    tidy = tidied(said, VALUES)
    assert (tidy.text, tidy.mangled, tidy.invented) == (said, 0, [])


@pytest.mark.parametrize("said", ["<PERSON_7>", "<person 7>", "PERSON_7"])
def test_one_that_nobody_gave_stands_for_nothing(said: str) -> None:
    tidy = tidied(said, VALUES)
    assert (tidy.text, tidy.invented) == ("<PERSON_7?>", ["<PERSON_7>"])
    assert put_back(tidy.text, VALUES | {"<PERSON_7>": "Eve"}) == "<PERSON_7?>"


def test_what_is_put_back_is_not_read_again() -> None:
    assert put_back("<SECRET_2> <PERSON_1b>", VALUES) == "<PERSON_1> ANNA"


def test_spellings_are_lettered() -> None:
    values = dict(VALUES)
    for _ in range(26):
        values[spelled(values, "PERSON_1")] = "x"
    assert list(values)[-1] == "<PERSON_1bb>"
