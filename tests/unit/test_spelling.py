import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.privacy.boundary import leaks
from moagraph.nodes.privacy.detection import by_form
from moagraph.nodes.privacy.masking import Hiding
from moagraph.nodes.privacy.placeholders import EXACT, kind_of, put_back
from moagraph.nodes.privacy.spelling_variants import TYPED, spans
from moagraph.nodes.privacy.vault import Vault
from moagraph.prompts import read

ANNA = {"<PERSON_1>": "Anna Kowalska"}


def seen(text: str, values: dict[str, str]) -> list[str]:
    return [text[span.start : span.end] for span in spans(text, values)]


@pytest.mark.parametrize(
    "said",
    [
        "Anna Kowalska", "ANNA KOWALSKA", "anna kowalska", "AnnaKowalska", "Anna-Kowalska",
        "Kowalska, Anna", "kowalska", "Anna", "a_n_n_a_k_o_w_a_l_s_k_a", "Ánna Köwalska",
        "\uff21\uff4e\uff4e\uff41 Kowalska", "Anna\nKowalska", "Anna\u00a0Kowalska",
        "annakowalska1990@example.org", "Frau-Kowalska-Straße", "Kow\u00adalska", "Kow\u200balska",
    ],
)  # fmt: skip
def test_a_name_is_known_however_it_is_written(said: str) -> None:
    assert leaks([f"Tell {said} so."], ANNA) == {"PERSON": 1}


@pytest.mark.parametrize("said", ["Hannah", "cannot", "an nan", "Savanna", "Kowal"])
def test_what_only_holds_the_letters_is_not_the_name(said: str) -> None:
    assert leaks([said], {"<PERSON_1>": "Anna Kowalska", "<SECRET_1>": "Ann"}) == {}


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [
        ("Ann", "I cannot, said Ann; Hannover", ["Ann"]),
        ("C++", "C++ and c, abC++", ["C++", "C++"]),
        ("Zephyr", "zephyrs of ProjectZephyr, Z-e-p-h-y-r", ["zephyr", "Z-e-p-h-y-r"]),
        ("Zephyrus", "ProjectZephyrus2", ["Zephyrus"]),
        ("+49 151 23456789", "0151/23456789 or 4915123456789", ["23456789", "4915123456789"]),
        ("anna.kowalska@x.org", "annakowalska, anna kowalska", ["annakowalska", "anna kowalska"]),
        ("田中", "田中さんは、山田中学校", ["田中", "田中"]),
        ("7", "7 of 77", ["7"]),
        ("!?", "what!? ?!", ["!?"]),
    ],
)
def test_short_words_count_alone_and_long_ones_anywhere(
    value: str, text: str, found: list[str]
) -> None:
    assert seen(text, {"<SECRET_1>": value}) == found


def test_each_part_of_a_japanese_name_is_the_name() -> None:
    assert seen("太郎と田中 太郎さん", {"<PERSON_1>": "田中 太郎"}) == ["太郎", "田中 太郎"]


def test_placeholders_and_our_own_prompts_hold_nothing() -> None:
    values = {"<PERSON_1>": "Person", "<SECRET_1>": "responses", "<SECRET_2>": "placeholders"}
    assert leaks([f"<PERSON_1> {read('synthesize')} {read('placeholders')}"], values) == {}
    assert leaks(["the responses"], values) == {"SECRET": 1}


def spelled(value: str, chance: random.Random) -> str:
    """The value in another case, with other signs or none where its own are, or its last word."""
    words = value.split()
    text = chance.choice([*words, value, value, value]) if len(words) > 1 else value
    text = chance.choice([" ", "-", "", "_", "  ", "\n"]).join(text.split())
    return "".join(chance.choice([sign, sign.upper(), sign.lower()]) for sign in text)


@given(
    st.lists(st.from_regex(r"[A-Z][a-z]{3,8} [A-Z][a-z]{4,9}", fullmatch=True), min_size=1),
    st.randoms(use_true_random=False),
    st.text(max_size=20),
)
def test_no_spelling_of_a_name_is_missed(
    people: list[str], chance: random.Random, noise: str
) -> None:
    values = {f"<PERSON_{number}>": person for number, person in enumerate(people, 1)}
    said = [spelled(chance.choice(people), chance) for _ in range(4)]
    text = f" {noise} ".join(["", *said, ""])
    kept = text
    for span in reversed(spans(text, values)):
        kept = kept[: span.start] + "<PERSON_1>" + kept[span.end :]
    plain = "".join(kept.replace("<PERSON_1>", "\0").split()).lower()
    assert not [one for one in said if "".join(one.split()).lower() in plain.split("\0")]
    assert leaks([kept], values) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to anna@example.org.", [("EMAIL", "anna@example.org")]),
        ("メールはanna@example.orgです", [("EMAIL", "anna@example.org")]),
        ("call +49 151 23456789!", [("PHONE", "+49 151 23456789")]),
        ("電話090-1234-5678です", [("PHONE", "090-1234-5678")]),
        ("(030) 123 45 67", [("PHONE", "(030) 123 45 67")]),
        ("DE89 3704 0044 0532 0130 00 and more", [("IBAN", "DE89 3704 0044 0532 0130 00")]),
        ("card 4111-1111-1111-1111 12", [("CARD", "4111-1111-1111-1111")]),
        ("at 10.0.0.1, or fe80::1", [("IP", "10.0.0.1"), ("IP", "fe80::1")]),
        ("see https://x.org/a?b=c.", [("URL", "https://x.org/a?b=c")]),
        ("on 2024-01-02 at 12:30:45 version 1.2.3.4.5 pays 1234567", []),
        ("card 4111 1111 1111 1112", []),
    ],
)
def test_what_has_a_form_is_found_by_it(text: str, found: list[tuple[str, str]]) -> None:
    told = Hiding(Vault("t")).found(text, by_form(text))
    assert [(kind_of(span.owner), text[span.start : span.end]) for span in told] == found


@given(
    st.text(st.sampled_from("annAN koß\u0301.-<>_1b\n@田"), max_size=60),
    st.lists(st.text(st.sampled_from("annAN ß@.田1-"), min_size=1, max_size=9), max_size=4),
)
def test_what_is_hidden_comes_back_to_the_letter(text: str, private: list[str]) -> None:
    safe = Vault("t")
    hiding = Hiding(safe)
    finds = [(TYPED, *found.span()) for found in EXACT.finditer(text)]
    for number, value in enumerate(value for value in private if value.strip()):
        hiding.owner("PERSON" if number % 2 else "SECRET", value)
    told = hiding.hidden(text, hiding.found(text, finds))
    assert put_back(told, safe.values) == text
    assert spans(told, safe.values) == []
