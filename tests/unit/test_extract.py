import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.messages.shorten import omission_mark
from moagraph.nodes.texts.extract import extract, split_ends
from moagraph.nodes.texts.sentences import sentence_spans

FILLER = "The weather was mild and nobody said much about it on that day. "
TEXT = FILLER * 4 + "The boiler needs 140 litres. " + FILLER * 4 + "Its valve is from 1987."


def test_what_the_question_asks_for_stays_in_its_order_and_the_rest_is_marked() -> None:
    short = extract(TEXT, "How many litres does the boiler need, and how old is its valve?", 180)
    mark = omission_mark(4 * len(FILLER) - 1)
    assert short == (f"{mark} The boiler needs 140 litres. {mark} Its valve is from 1987.")


def test_a_text_that_is_short_enough_stays_as_it_is() -> None:
    assert extract(TEXT, "why?", len(TEXT)) == TEXT


def test_a_sentence_without_an_end_is_cut_in_its_middle_with_a_mark() -> None:
    short = extract("word " * 400, "word?", 300)
    assert len(short) <= 300
    assert "characters left out" in short


def test_a_block_of_code_is_kept_or_left_out_as_a_whole() -> None:
    code = "```py\nfor boiler in boilers:\n    print(boiler. x)\n```"
    short = extract(f"{FILLER * 3}\n{code}\n{FILLER * 3}", "boiler boilers print", 200)
    assert code in short


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It is 3.5 km.\n- a list\n- of two", ["It is 3.5 km.", "- a list", "- of two"]),
        ("一つ。二つ。", ["一つ。", "二つ。"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_are_found(text: str, said: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == said


@given(st.text(alphabet="ab .?\n`c1。", max_size=400), st.integers(0, 300))
def test_nothing_gets_longer_than_it_may_be_or_than_it_was(text: str, most: int) -> None:
    short = extract(text, "a?", most)
    assert len(short) <= max(most, len(omission_mark(400)) + 2) or short == text
    spans = sentence_spans(text)
    assert spans == sorted(spans)
    assert "".join(text[s:e] for s, e in spans).split() or not text.strip()


def test_a_question_is_taken_to_stand_first_or_last() -> None:
    pasted = "\n\n".join([FILLER * 3] * 5)
    assert split_ends(f"What of the boiler?\n\n{pasted}")[0] == "What of the boiler?"
    first, middle, last = split_ends(f"{pasted}\n\nWhat of the boiler?")
    assert last == "What of the boiler?"
    assert len(first) + len(middle) > 900
    assert split_ends("What of it?") == ("", "What of it?", "")
