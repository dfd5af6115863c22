from itertools import combinations

import pytest

from moagraph.nodes.step_support.selection import parse_best, parse_ranking
from moagraph.nodes.texts.pairwise import TIE, Match, bradley_terry, parse_verdict, select_pairs

SEATS = ["01", "02", "03", "04"]


@pytest.mark.parametrize(
    ("said", "better"),
    [
        ("1", "a"),
        ("Both are fine.\n\n**2**", "b"),
        ("Answer 1 is better.", "a"),
        ("Tie", TIE),
        ("1 or 2", None),
        ("2\nThank you.", "b"),
        ("neither", None),
        ("12", None),
        ("", None),
    ],
)
def test_a_verdict_is_the_last_line_that_says_one(said: str, better: str | None) -> None:
    assert parse_verdict(said, ("a", "b")) == better


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("2 > 3 > 1", ["02", "03", "01"]),
        ("2 > 3 > 1\nI am 90% sure of that.", ["02", "03", "01"]),
        ("Response 4 > Response 1", ["04", "01"]),
        ("2, 1, 3", ["02", "01", "03"]),
        ("3", ["03"]),
        ("1 > 1 > 2", ["01", "02"]),
        ("5 > 1", None),
        ("0", None),
        ("none", None),
    ],
)
def test_a_ranking_is_the_last_chain_of_numbers(said: str, order: list[str] | None) -> None:
    assert parse_best(said, SEATS) == order


def test_who_is_not_named_comes_behind() -> None:
    assert parse_ranking("3", SEATS) == ["03", "01", "02", "04"]


@pytest.mark.parametrize("size", range(2, 8))
def test_every_pair_is_compared_once(size: int) -> None:
    seats = [str(number) for number in range(size)]
    found = select_pairs(seats)
    assert {frozenset(pair) for pair in found} == {frozenset(p) for p in combinations(seats, 2)}
    assert len(found) == size * (size - 1) // 2


def test_a_bound_leaves_each_seat_as_many_games() -> None:
    found = select_pairs(SEATS, 4)
    assert all(sum(seat in pair for pair in found) == 2 for seat in SEATS)


def test_strengths_are_those_of_bradley_and_terry() -> None:
    """Two answers and one game each way: 2 wins to 0, and the tie that each has played."""
    strong = bradley_terry(["a", "b"], [Match(("a", "b"), "a", "a")])
    assert strong["a"] * strong["b"] == pytest.approx(1.0, abs=1e-6)
    a, b = strong["a"], strong["b"]
    assert 2.5 == pytest.approx(a / (a + 1) + 2 * a / (a + b), abs=1e-6)


def test_whoever_beats_the_strong_is_stronger() -> None:
    played = [Match(("a", "b"), "a", "a"), Match(("b", "c"), "b", "b"), Match(("c", "d"), "c", TIE)]
    strong = bradley_terry(["d", "c", "b", "a"], played)
    assert sorted(strong, key=lambda seat: -strong[seat]) == ["a", "b", "c", "d"]


def test_nobody_compared_is_as_strong_as_any() -> None:
    assert bradley_terry(["a", "b"], []) == {"a": 1.0, "b": 1.0}
    assert bradley_terry(["a", "b"], [Match(("a", "b"), None, None)]) == {"a": 1.0, "b": 1.0}


def test_a_winner_that_changes_with_the_order_has_flipped() -> None:
    assert Match(("a", "b"), "a", "b").is_flipped
    assert not Match(("a", "b"), "a", "a").is_flipped
    assert not Match(("a", "b"), "a", TIE).is_decided
    assert not Match(("a", "b"), "a", None).is_decided
