from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.messages.shorten import cut_middle, fair_shares, omission_mark

WEIGHTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=20)
ROOM = st.integers(0, 100_000)


@given(WEIGHTS, ROOM)
def test_nobody_gets_more_than_it_has_and_all_fit(weights: list[float], room: int) -> None:
    shares = fair_shares(weights, room)
    assert len(shares) == len(weights)
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))
    assert sum(shares) <= room + 1e-6


@given(WEIGHTS, ROOM)
def test_no_room_is_wasted(weights: list[float], room: int) -> None:
    assert abs(sum(fair_shares(weights, room)) - min(room, sum(weights))) < 1e-6


@given(WEIGHTS, ROOM)
def test_who_is_cut_ends_up_as_long_as_the_longest(weights: list[float], room: int) -> None:
    shares = fair_shares(weights, room)
    cut_ones = [s for s, w in zip(shares, weights, strict=True) if s < w]
    assert all(abs(share - max(shares)) < 1e-6 for share in cut_ones)


@given(WEIGHTS, ROOM)
def test_the_order_of_the_seats_does_not_matter(weights: list[float], room: int) -> None:
    assert fair_shares(weights[::-1], room) == fair_shares(weights, room)[::-1]


@given(WEIGHTS)
def test_what_fits_is_left_alone(weights: list[float]) -> None:
    assert fair_shares(weights, sum(weights)) == weights


def test_no_room_at_all_is_nothing_for_everybody() -> None:
    assert fair_shares([5, 3], 0) == [0, 0]
    assert fair_shares([5, 3], -7) == [0, 0]
    assert fair_shares([], 7) == []


@given(st.text("abc", min_size=1), st.data())
def test_a_cut_text_keeps_its_ends_and_says_what_is_missing(text: str, data: st.DataObject) -> None:
    left_out = data.draw(st.integers(1, len(text)))
    head, _, tail = cut_middle(text, left_out).partition(omission_mark(left_out))
    head, tail = head.strip(), tail.strip()
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) == len(text) - left_out


def test_the_mark_counts_in_thousands() -> None:
    assert cut_middle("a" * 20_000, 12_345).count("[… 12,345 characters left out …]") == 1
    assert cut_middle("whole", 0) == "whole"
