import json
from itertools import permutations
from pathlib import Path
from typing import Any

import openai
import pytest

from moagraph import ChatMoA, ask, open_threads, retry
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from tests.faults import Always, Status
from tests.provider import Call, Provider
from tests.serving import save, serving
from tests.terminal import moa, saved

RECIPE = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:alpha-1", "vllm:beta-1", "vllm:gamma-1"]
aggregate = {{ step = "rank", model = "vllm:judge" }}
"""


def ranker(folder: Path, provider: Provider) -> str:
    for model, text in (("alpha-1", "I am alpha-1: four"), ("beta-1", "five"), ("gamma-1", "six")):
        provider.reply(model, text)
    return saved(folder, RECIPE.format(url=provider.base_url))


def shown_sent(thread: str) -> list[object]:
    told = json.loads(moa("show", thread, "--sent", "--json").out)
    return [call["sent"] for step in told["steps"] for call in step.get("calls", {}).values()]


def test_the_ranker_hears_the_question_and_all_answers_in_one_message(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = ranker(tmp_path, provider)
    provider.reply("judge", "Answer 2 is right.\n2 > 3 > 1")
    with open_threads() as threads:
        came = ask("two and two?", recipe, thread="t", threads=threads)
    assert (came.status, came.answer) == ("done", "five")
    [told] = provider.calls[-1].messages
    assert told["role"] == "user"
    assert "What was asked:\ntwo and two?\n" in told["content"]
    assert "\n1. I am [a model]: four\n2. five\n3. six\n" in told["content"]
    [kept] = shown_sent("t")
    assert kept == [{"role": "user", "content": told["content"]}]
    [step] = [step for step in came.steps if "ranking" in step]
    assert (step["ranking"], step["kept"], step["unparsed"]) == (["02", "03", "01"], ["02"], 0)
    assert came.usage["calls"] == len(provider.calls) == 4
    assert max_calls(load_recipe(recipe)) == 4


def test_a_ranking_without_form_is_asked_for_once_more_and_then_fails(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = ranker(tmp_path, provider)
    provider.reply("judge", "They are all fine!")
    with open_threads() as threads:
        came = ask("two and two?", recipe, thread="t", threads=threads)
        assert (came.status, came.answer) == ("failed", "")
        assert "got no ranking from `vllm:judge`: no ranking in 'They are all fine!'" in str(
            came.error
        )
        assert len(provider.calls) == 5
        assert provider.calls[-1].messages[1] == {
            "role": "assistant",
            "content": "They are all fine!",
        }
        provider.reply("judge", "3")
        came = retry("t", threads)
    assert (came.status, came.answer) == ("done", "six")
    assert len(provider.calls) == 6


TEXTS = {"a": "apple", "b": "banana", "c": "cherry", "d": "date"}
WORTH = "dcba"  # the order in which the judge likes them


def by_worth(call: Call) -> str:
    """Compares as a judge with a taste does, whatever stands first."""
    one, other = compared(call)
    return "1" if WORTH.index(one) < WORTH.index(other) else "2"


def compared(call: Call) -> list[str]:
    lines = call.messages[0]["content"].splitlines()
    first, second = (next(x for x in lines if x.startswith(f"{n}. ")) for n in (1, 2))
    return [first[3], second[3]]


def pairwise(provider: Provider, *behind: dict[str, Any], **said: Any) -> Recipe:
    for model, text in TEXTS.items():
        provider.reply(model, text)
    step = {"step": "rank", "model": "openai:judge", **said}
    layer = {"proposers": [f"openai:{name}" for name in TEXTS], "aggregate": [step, *behind]}
    return Recipe.model_validate({"name": "pairs", "layers": [layer]})


def asked(provider: Provider) -> list[list[str]]:
    return [compared(call) for call in provider.calls if call.model == "judge"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_two_answers_are_compared_in_both_orders(provider: Provider, shuffle: bool) -> None:
    provider.reply("judge", by_worth)
    recipe = pairwise(provider, by="pairs", shuffle=shuffle)
    came = ask("what fruit?", recipe)
    assert came.answer == "date"
    assert sorted(map(tuple, asked(provider))) == sorted(permutations("abcd", 2))
    step = came.steps[-1]
    assert step["ranking"] == ["04", "03", "02", "01"]
    assert (step["pairs"], step["flips"], step["flip_rate"], step["unparsed"]) == (6, 0, 0.0, 0)
    assert came.usage["calls"] == len(provider.calls) == max_calls(recipe) == 4 + 12
    [told] = provider.calls[-1].messages
    assert "What was asked:\nwhat fruit?\n" in told["content"]


def test_a_judge_that_likes_what_it_reads_first_is_found_out(provider: Provider) -> None:
    provider.reply("judge", "1")
    step = ask("hi", pairwise(provider, by="pairs")).steps[-1]
    assert (step["flips"], step["flip_rate"]) == (6, 1.0)
    assert set(step["strengths"].values()) == {1.0}
    assert step["kept"] == ["01"]


def test_ties_and_verdicts_that_cannot_be_read_are_counted(provider: Provider) -> None:
    provider.reply("judge", lambda call: "tie" if "a" in compared(call) else by_worth(call))
    step = ask("hi", pairwise(provider, by="pairs")).steps[-1]
    assert (step["ties"], step["unparsed"], step["flip_rate"]) == (6, 0, 0.0)
    provider.reply("judge", lambda call: "hm" if "d" in compared(call) else by_worth(call))
    came = ask("hi", pairwise(provider, by="pairs"))
    assert (came.steps[-1]["unparsed"], came.answer) == (6, "cherry")
    assert came.usage["calls"] == 4 + 12 + 6


def test_a_bound_on_calls_compares_fewer_pairs(provider: Provider) -> None:
    provider.reply("judge", by_worth)
    recipe = pairwise(provider, by="pairs", max_calls=9)
    came = ask("hi", recipe)
    assert (came.steps[-1]["pairs"], max_calls(recipe), came.usage["calls"]) == (4, 12, 12)


@pytest.mark.parametrize("by", ["list", "pairs", "tournament"])
def test_the_first_answer_may_stand_where_no_ranking_can_be_read(
    provider: Provider, by: str
) -> None:
    provider.reply("judge", "All fine!")
    came = ask("hi", pairwise(provider, by=by, otherwise="first"))
    assert (came.status, came.answer) == ("done", "apple")
    assert "no ranking could be read" in came.steps[-1]["why"]


def test_a_tournament_asks_each_loser_once(provider: Provider) -> None:
    provider.reply("judge", by_worth)
    recipe = pairwise(provider, by="tournament")
    came = ask("hi", recipe)
    assert (came.answer, came.steps[-1]["pairs"]) == ("date", 3)
    assert came.usage["calls"] == max_calls(recipe) == 4 + 6
    finalists = [frozenset(pair) for pair in asked(provider)[-2:]]
    assert "d" in finalists[0]
    assert finalists[0] == finalists[1]


def test_the_best_three_become_one(provider: Provider) -> None:
    provider.reply("judge", by_worth)
    recipe = pairwise(provider, {"step": "synthesize", "model": "openai:agg"}, by="pairs", keep=3)
    came = ask("hi", recipe)
    assert came.answer.startswith("agg says")
    assert provider.calls[-1].messages[0]["content"].endswith("\n1. date\n2. cherry\n3. banana")
    assert came.usage["calls"] == max_calls(recipe) == 4 + 12 + 1


def test_a_judge_that_is_down_hands_all_on_or_fails_with_its_bill(provider: Provider) -> None:
    provider.script("judge", Always(Status(400)))
    last = {"step": "synthesize", "model": "openai:agg"}
    came = ask("hi", pairwise(provider, last, by="pairs", keep=3))
    assert came.status == "done"
    assert provider.calls[-1].messages[0]["content"].count("\n") >= 4
    assert next(s for s in came.steps if "pairs" in s)["unparsed"] == 12
    came = ask("hi", pairwise(provider, by="pairs"))
    assert (came.status, came.usage["calls"]) == ("failed", 4 + 12)
    assert "got no ranking from `openai:judge`" in str(came.error)


@pytest.mark.parametrize("by", ["list", "pairs", "tournament"])
def test_one_answer_alone_needs_no_judge(provider: Provider, by: str) -> None:
    recipe = pairwise(provider, by=by)
    for model in "acd":
        provider.script(model, Always(Status(400)))
    came = ask("hi", recipe)
    assert (came.status, came.answer) == ("done", "banana")
    assert "judge" not in [call.model for call in provider.calls]


def test_a_ranked_answer_is_what_the_terminal_prints(provider: Provider, tmp_path: Path) -> None:
    provider.reply("judge", "2 > 3 > 1")
    done = moa("ask", "--recipe", ranker(tmp_path, provider), "hi")
    assert (done.code, done.out) == (0, "five\n")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"max_calls": 4}, "a list is one call"),
        ({"by": "pairs", "max_calls": 1}, "greater than or equal to 2"),
    ],
)
def test_what_pairs_cannot_be_told_is_refused(
    provider: Provider, said: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        pairwise(provider, **said)


def test_what_a_ranker_says_is_never_streamed_as_the_answer(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = ranker(tmp_path, provider)
    provider.reply("judge", "2 > 3 > 1")
    assert "".join(piece.text for piece in ChatMoA(recipe=recipe).stream("hi")) == "five"
    save("mix", aggregator={"step": "rank", "model": "openai:judge"})
    provider.reply("b", "bee")
    provider.reply("judge", "2 > 1")
    with serving() as served:
        chunks = served.stream()
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "bee"


def test_a_ranking_that_cannot_be_read_is_a_bad_gateways(provider: Provider) -> None:
    said = {"step": "rank", "model": "openai:judge", "attempts": 1}
    save("mix", aggregator=said)
    provider.reply("judge", "They are all fine!")
    with serving() as served, pytest.raises(openai.APIStatusError) as failed:
        served.ask()
    assert failed.value.status_code == 502
    provider.script("judge", Always(Status(429, retry_after=60)))
    with serving() as served, pytest.raises(openai.APIStatusError) as failed:
        served.ask()
    assert failed.value.status_code == 503
