from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage

from moagraph.nodes.state import merge_layers, merge_messages
from tests.operations import operations


class Seat(str):
    """A seat's number that counts how often it is compared with another."""

    comparisons = 0

    def __lt__(self, other: str) -> bool:
        Seat.comparisons += 1
        return str.__lt__(self, other)


def comparisons(seats: int) -> int:
    """What it takes to merge so many seats, each written by a node of its own."""
    writes = [{"1": {Seat(f"{seat:04d}"): {"text": seat}}} for seat in reversed(range(seats))]
    Seat.comparisons = 0
    merged = merge_layers({}, writes)
    assert [*merged["1"]] == [f"{seat:04d}" for seat in range(seats)]
    return Seat.comparisons


def test_merging_twice_the_seats_takes_at_most_two_and_a_half_times_the_comparisons() -> None:
    assert comparisons(400) <= 2.5 * comparisons(200)


def test_a_layer_keeps_what_was_written_last_and_loses_what_was_removed() -> None:
    known: Any = {"2": {"01": {"text": "old"}, "02": {"text": "kept"}}}
    writes: Any = [{"1": {"02": {"text": "b"}, "01": {"text": "a"}}}, {"2": {"01": None}}]
    merged = merge_layers(known, [*writes, {"1": {"02": {"text": "c"}}}])
    assert merged == {
        "1": {"01": {"text": "a"}, "02": {"text": "c"}},
        "2": {"02": {"text": "kept"}},
    }
    assert [*merged] == ["1", "2"]
    assert [*merged["1"]] == ["01", "02"]
    assert known == {"2": {"01": {"text": "old"}, "02": {"text": "kept"}}}


def test_merging_twice_the_messages_takes_at_most_two_and_a_half_times_the_calls() -> None:
    def merge(number: int) -> None:
        written: list[AnyMessage] = [HumanMessage("x", id=str(n)) for n in range(number)]
        assert len(merge_messages(merge_messages([], [written]), [written[:1]])) == number

    assert operations(lambda: merge(400)) <= 2.5 * operations(lambda: merge(200))
