from typing import Any

import pytest
from sacrebleu.metrics.chrf import CHRF

from moagraph import ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.texts.similarity import chrf, similarity
from tests.faults import Always, Status
from tests.provider import Provider


def voted(
    provider: Provider, *texts: str, weights: dict[int, float] | None = None, **said: Any
) -> tuple[str, dict[str, Any]]:
    """The answer that the vote leaves, and its record; no model but the seats' is asked."""
    seats: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        provider.reply(f"m{number}", text)
        seats.append({"model": f"openai:m{number}", "weight": (weights or {}).get(number, 1)})
    layer = {"proposers": seats, "aggregate": {"step": "vote", **said}}
    recipe = Recipe.model_validate({"name": "vote", "layers": [layer]})
    came = ask("hi", recipe)
    assert came.status == "done"
    assert len(provider.calls) == max_calls(recipe) == len(texts)
    return came.answer, came.steps[-1]


def test_most_votes_win_and_the_first_seat_speaks_for_them(provider: Provider) -> None:
    answer, step = voted(provider, "It is 41.", "So: 42", "42.0!", by="numeric")
    assert (answer, step["kept"]) == ("So: 42", ["02"])
    assert step["votes"] == {"42": ["02", "03"], "41": ["01"]}
    assert step["counts"] == {"42": 2.0, "41": 1.0}
    assert "tie" not in step


def test_equal_votes_go_to_the_first_seat_and_that_is_said(provider: Provider) -> None:
    answer, step = voted(provider, "(b)", "(a)", by="choice")
    assert (answer, step["tie"]) == ("(b)", ["B", "A"])
    assert "equal votes" in step["why"]


def test_a_seat_has_as_many_votes_as_it_weighs(provider: Provider) -> None:
    answer, step = voted(provider, "yes", "Yes.", "No", weights={2: 2.5})
    assert (answer, step["counts"]) == ("No", {"no": 2.5, "yes": 2.0})


def test_an_answer_that_cannot_be_read_is_counted_as_such(provider: Provider) -> None:
    answer, step = voted(provider, "I do not know", "7", by="numeric")
    assert (answer, step["unparsed"], step["unread"]) == ("7", 1, ["01"])


def test_where_no_answer_can_be_read_the_first_one_stands(provider: Provider) -> None:
    answer, step = voted(provider, "who knows?", "not I", by="numeric")
    assert (answer, step["unparsed"]) == ("who knows?", 2)
    assert step["why"] == "no answer could be read as numeric: the first one stands"


def test_the_text_most_like_all_others_wins(provider: Provider) -> None:
    texts = ("The cat sat on a mat.", "The cat sat on the mat.", "Dogs bark.", "A cat sat there.")
    answer, step = voted(provider, *texts, by="similar")
    assert answer == texts[1]
    assert list(step["likeness"])[-1] == "03"


def test_texts_that_are_the_same_are_a_tie(provider: Provider) -> None:
    answer, step = voted(provider, "same", "same", "same", by="similar")
    assert (answer, step["tie"], step["likeness"]["01"]) == ("same", ["01", "02", "03"], 1.0)


@pytest.mark.parametrize("by", ["exact", "numeric", "choice", "similar"])
def test_one_answer_alone_wins(provider: Provider, by: str) -> None:
    provider.script("m0", Always(Status(400)))
    provider.reply("m1", "left over 3")
    layer = {"proposers": ["openai:m0", "openai:m1"], "aggregate": {"step": "vote", "by": by}}
    came = ask("hi", Recipe.model_validate({"name": "vote", "layers": [layer]}))
    assert (came.status, came.answer) == ("done", "left over 3")


def test_a_vote_may_keep_one_of_each_opinion(provider: Provider) -> None:
    for number, text in enumerate(("1", "2", "2", "3")):
        provider.reply(f"m{number}", text)
    steps = [{"step": "vote", "keep": 2}, {"step": "synthesize", "model": "openai:agg"}]
    layer = {"proposers": [f"openai:m{number}" for number in range(4)], "aggregate": steps}
    ask("hi", Recipe.model_validate({"name": "vote", "layers": [layer]}))
    assert str(provider.calls[-1].messages[0]["content"]).endswith("\n1. 2\n2. 1")


def test_likeness_is_the_same_both_ways_and_between_0_and_1() -> None:
    assert similarity("a cat", "the cat") == similarity("the cat", "a cat")
    assert similarity("abc", "abc") == pytest.approx(1.0)
    assert similarity("abc", "xyz") == 0.0


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("The cat sat on the mat.", "A cat sat on a mat, today."),
        ("ab", "abcdefgh"),
        ("空は青い", "空は とても青い"),
        ("the same", "the same"),
        ("x", "y"),
        ("", "something"),
    ],
)
def test_the_score_is_sacrebleus(text: str, reference: str) -> None:
    theirs = CHRF().sentence_score(text, [reference]).score / 100
    assert chrf(text, reference) == pytest.approx(theirs, abs=1e-12)
