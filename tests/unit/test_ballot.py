from typing import Any

import pytest

from moagraph.nodes.knowledge.query import Rows
from moagraph.nodes.knowledge.result_vote import QueryResult, elect
from moagraph.nodes.knowledge.sql_text import query_in, table

A, B, C = (1, "a"), (2, "b"), (3, "c")


def result(*rows: tuple[Any, ...], ordered: bool = False) -> QueryResult:
    return QueryResult(list(rows), ordered)


def test_rows_without_an_order_agree_in_any_order_and_as_often() -> None:
    assert result(A, B).agrees(result(B, A))
    assert not result(A, A, B).agrees(result(A, B, B))
    assert not result(A).agrees(result(A, A))


def test_where_both_asked_for_an_order_it_counts() -> None:
    up, down = result(A, B, ordered=True), result(B, A, ordered=True)
    assert not up.agrees(down)
    assert up.agrees(result(B, A))
    assert result(B, A).agrees(down)


def test_a_whole_number_and_its_fraction_agree_and_so_do_sums_in_another_order() -> None:
    assert result((3,)).agrees(result((3.0,)))
    assert result((0.1 + 0.2,)).agrees(result((0.3,)))
    assert not result(("3",)).agrees(result((3,)))
    assert not result((None,)).agrees(result(("",)))


def test_most_agree_and_a_tie_is_told() -> None:
    votes = elect({"01": result(A), "02": result(B), "03": result(B)})
    assert (votes.seat, votes.agree, votes.tie) == ("02", ["02", "03"], False)
    votes = elect({"01": result(), "02": result(B)})
    assert (votes.seat, votes.agree, votes.tie) == ("02", ["02"], True)
    votes = elect({"01": result(A, B), "02": result(B, A, ordered=True)})
    assert (votes.seat, votes.agree, votes.tie) == ("02", ["01", "02"], False)


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        ("```sql\nSELECT 1\n```", "SELECT 1"),
        ("First ```sql\nSELECT 1\n``` no:\n```\nSELECT 2;\n```\nDone.", "SELECT 2;"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("SELECT 1; It counts.", "SELECT 1"),
        ("SELECT a\nFROM t\n\nThis counts.", "SELECT a\nFROM t"),
        ("Use `SELECT 1` for it.", "SELECT 1` for it."),
        ("The query: SELECT a FROM t; then look.", "SELECT a FROM t"),
        ("DROP TABLE t;", "DROP TABLE t"),
        ("SELECT 1; DROP TABLE t;", "SELECT 1; DROP TABLE t"),
        ("There are five.", None),
        ("```\n```", None),
        ("", None),
    ],
)
def test_a_query_is_taken_out_of_an_answer(answer: str, query: str | None) -> None:
    assert query_in(answer) == query


def test_rows_are_a_table_whose_cells_cannot_break_it() -> None:
    rows = Rows(["n", "note"], [(1, "a|b\nc"), (None, b"xyz")])
    assert table(rows) == ("| n | note |\n| --- | --- |\n| 1 | a\\|b c |\n| NULL | <3 bytes> |")
    assert table(Rows(["n"], [])) == "| n |\n| --- |\n\nNo rows."
