import pytest

from moagraph.nodes.texts.ballots import borda_points, concordance, ranks, self_preference

SEATS = ["01", "02", "03"]


def test_who_is_not_named_shares_the_ranks_that_are_left() -> None:
    assert ranks(["03"], SEATS) == {"03": 1, "01": 2.5, "02": 2.5}
    assert ranks(["02", "01", "03"], SEATS) == {"02": 1, "01": 2, "03": 3}


def test_points_are_bordas_times_the_voters_weight() -> None:
    ballots = {"a": ranks(["01", "02", "03"], SEATS), "b": ranks(["03", "02", "01"], SEATS)}
    assert borda_points(ballots, {"a": 1, "b": 1}, SEATS) == {"01": 2, "02": 2, "03": 2}
    assert borda_points(ballots, {"a": 1, "b": 3}, SEATS) == {"01": 2, "02": 4, "03": 6}


def test_concordance_is_one_where_all_agree_and_none_where_nothing_can_be_said() -> None:
    same = ranks(SEATS, SEATS)
    assert concordance([same, same], SEATS) == pytest.approx(1.0)
    assert concordance([same, ranks(SEATS[::-1], SEATS)], SEATS) == pytest.approx(0.0)
    assert concordance([same], SEATS) is None
    assert concordance([same, same], ["01"]) is None
    assert concordance([ranks([], SEATS)] * 2, SEATS) is None


def test_concordance_allows_for_ties() -> None:
    """Worked by hand: rank sums 2, 4.5, 5.5; S = 6.5; 12 S / (4 x 24 - 2 x 6)."""
    ballots = [ranks(["01"], SEATS), ranks(["01", "02"], SEATS)]
    assert concordance(ballots, SEATS) == pytest.approx(12 * 6.5 / (4 * 24 - 2 * 6))


def test_favour_is_the_own_rank_beside_that_of_the_others() -> None:
    ballots = {"a": ranks(["01", "02", "03"], SEATS), "b": ranks(["02", "03", "01"], SEATS)}
    assert self_preference(ballots, {"a": "01", "b": "02"}) == {"a": (1, 3), "b": (1, 2)}
    assert self_preference(ballots, {"a": "04"}) == {}
