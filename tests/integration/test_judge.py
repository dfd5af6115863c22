from typing import Any

import pytest

from moagraph import ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.steps.judge import parse_score, parse_scores
from tests.faults import Always, Status
from tests.provider import Call, Provider

TEXTS = ["apple", "banana", "cherry"]


def panel(provider: Provider, *behind: dict[str, Any], **said: Any) -> Recipe:
    for number, text in enumerate(TEXTS):
        provider.reply(f"m{number}", text)
    step = {"step": "judge", "judges": ["openai:strict", "openai:kind"], **said}
    layer = {"proposers": [f"openai:m{n}" for n in range(3)], "aggregate": [step, *behind]}
    return Recipe.model_validate({"name": "panel", "layers": [layer]})


def given(**scores: int) -> Any:
    """What a judge that reads one answer gives it."""

    def said(call: Call) -> str:
        told = call.messages[0]["content"]
        return f"Score: {next(v for text, v in scores.items() if text in told)}/10"

    return said


@pytest.mark.parametrize(
    ("combine", "caution", "kept"),
    [("mean", 0.5, "01"), ("min", 0.5, "02"), ("careful", 0.5, "02"), ("careful", 0.01, "01")],
)
def test_the_scores_of_the_judges_become_one(
    provider: Provider, combine: str, caution: float, kept: str
) -> None:
    provider.reply("strict", "Well.\n1: 4\n2: 6\n3: 2")
    provider.reply("kind", "1: 10\n2: 7\n3: 2")
    recipe = panel(provider, combine=combine, caution=caution)
    came = ask("what fruit?", recipe)
    step = came.steps[-1]
    assert step["kept"] == [kept]
    assert step["scores"] == {
        "judge 1": {"01": 4, "02": 6, "03": 2},
        "judge 2": {"01": 10, "02": 7, "03": 2},
    }
    assert came.usage["calls"] == len(provider.calls) == max_calls(recipe) == 5
    [told] = provider.calls[-1].messages
    assert told["content"].count("\n1. apple\n2. banana\n3. cherry\n") == 1
    assert "What was asked:\nwhat fruit?\n" in told["content"]


def test_a_judge_may_read_each_answer_alone(provider: Provider) -> None:
    provider.reply("strict", given(apple=3, banana=2, cherry=5))
    provider.reply("kind", given(apple=7, banana=6, cherry=9))
    recipe = panel(provider, reads="each")
    came = ask("hi", recipe)
    assert (came.answer, came.steps[-1]["combined"]) == ("cherry", {"03": 7, "01": 5, "02": 4})
    assert came.usage["calls"] == max_calls(recipe) == 3 + 6
    heard = [call.messages[0]["content"] for call in provider.calls[3:]]
    assert all(sum(text in told for text in TEXTS) == 1 for told in heard)


def test_a_judge_that_is_down_is_told_and_the_others_decide(provider: Provider) -> None:
    provider.script("strict", Always(Status(400)))
    provider.reply("kind", "1: 1\n2: 2\n3: 3")
    came = ask("hi", panel(provider))
    step = came.steps[-1]
    assert (came.status, came.answer, step["unparsed"]) == ("done", "cherry", 1)
    assert step["scores"]["judge 1"] == {}
    assert not step["calls"]["judge 1"]["ok"]


def test_a_verdict_that_cannot_be_read_is_asked_for_once_more(provider: Provider) -> None:
    provider.reply("strict", "They are all fine.", "1: 9\n2: 2\n3: 2")
    provider.reply("kind", "Fine!")
    came = ask("hi", panel(provider))
    assert (came.answer, came.steps[-1]["unparsed"], came.usage["calls"]) == ("apple", 1, 3 + 4)


def test_no_verdict_at_all_fails_with_its_bill_or_hands_all_on(provider: Provider) -> None:
    provider.reply("strict", "Fine!")
    provider.reply("kind", "Fine!")
    came = ask("hi", panel(provider))
    assert (came.status, came.usage["calls"]) == ("failed", 3 + 4)
    assert "got no score from any judge: no score in 'Fine!'" in str(came.error)
    came = ask("hi", panel(provider, {"step": "synthesize", "model": "openai:agg"}, keep=1))
    assert came.status == "done"
    assert provider.calls[-1].messages[0]["content"].endswith("\n1. apple\n2. banana\n3. cherry")


def test_the_first_answer_may_stand_where_no_score_can_be_read(provider: Provider) -> None:
    provider.reply("strict", "Fine!")
    provider.reply("kind", "Fine!")
    came = ask("hi", panel(provider, otherwise="first"))
    assert (came.status, came.answer, came.steps[-1]["unparsed"]) == ("done", "apple", 2)
    assert "no score could be read" in came.steps[-1]["why"]


def test_equal_scores_go_to_the_first_seat_and_that_is_said(provider: Provider) -> None:
    provider.reply("strict", "1: 5\n2: 5\n3: 5")
    provider.reply("kind", "2: 5")
    came = ask("hi", panel(provider))
    assert (came.answer, came.steps[-1]["tie"]) == ("apple", ["01", "02", "03"])


def test_one_answer_alone_needs_no_judge(provider: Provider) -> None:
    recipe = panel(provider)
    provider.script("m0", Always(Status(400)))
    provider.script("m1", Always(Status(400)))
    assert ask("hi", recipe).answer == "cherry"
    assert len(provider.calls) == 3


@pytest.mark.parametrize(
    ("said", "value"),
    [("Score: 6", 6), ("**8/10**", 8), ("I like it.\n\n7.5", 7.5), ("11", None), ("good", None)],
)
def test_a_score(said: str, value: float | None) -> None:
    assert parse_score(said) == value


def test_scores_by_number() -> None:
    assert parse_scores("**Answer 1: 7/10**\n- 2 = 3.5\n9: 1\n3: 40", ["a", "b", "c"]) == {
        "a": 7,
        "b": 3.5,
    }
    assert parse_scores("no numbers", ["a"]) is None
