import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.texts.sentences import split_pieces

TEXTS = {
    "two": ("One is. Two are!", ["One is.", "Two are!"]),
    "short words": ("Ask Dr. No. It is, e.g. here.", ["Ask Dr. No. It is, e.g. here."]),
    "an initial": ("J. Smith came. He left.", ["J. Smith came.", "He left."]),
    "numbers": ("It is 3.14 or so. Yes.", ["It is 3.14 or so.", "Yes."]),
    "a list": ("1. One\n2. Two\n", ["1. One", "2. Two"]),
    "quotes": ('He said "yes." Then no.', ['He said "yes."', "Then no."]),
    "japanese": ("東京は首都です。大きい。", ["東京は首都です。", "大きい。"]),
    "a heading": ("# Head\nBody.", ["Body."]),
    "code": ("So:\n```py\nx = 1. \n```\nDone.", ["So:", "Done."]),
    "code without an end": ("So:\n```py\nx. y.", ["So:"]),
    "only a number": ("42", ["42"]),
    "nothing": (" \n--\n", []),
}


@pytest.mark.parametrize(("text", "claims"), TEXTS.values(), ids=TEXTS)
def test_a_text_in_sentences(text: str, claims: list[str]) -> None:
    assert [piece.sentence for piece in split_pieces(text) if piece.is_claim] == claims


@given(st.text(alphabet="aB1.!? \n`#\"'。-", max_size=60))
def test_no_sign_of_it_is_lost(text: str) -> None:
    assert "".join(piece.text for piece in split_pieces(text)) == text
