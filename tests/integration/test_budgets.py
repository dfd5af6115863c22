import asyncio
import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph.api.ask import aask
from moagraph.api.estimate import estimate_turn
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import OverBudget
from tests.faults import Always, Status
from tests.mixtures import graph_of, mixture, turn
from tests.provider import Provider
from tests.terminal import moa

PRICED = {"price": {"input": 1.0, "output": 2.0}, "max_tokens": 100, "attempts": 1}


def three_layers(budget: dict[str, Any] | None, seats: int = 3) -> Recipe:
    layers = [[{"model": f"openai:{name}", "count": seats}] for name in "abc"]
    said = {"budget": budget} if budget else {}
    return mixture(*layers, defaults=PRICED, **said)


def models(provider: Provider) -> str:
    return " ".join(call.model for call in provider.calls)


@pytest.mark.parametrize(
    ("calls", "asked"),
    [
        (10, "a a a b b b c c c agg"),
        (9, "a a a b b b agg"),
        (7, "a a a b b b agg"),
        (6, "a a a agg"),
        (3, "a a agg"),
        (1, "agg"),
    ],
)
def test_a_budget_of_calls_drops_later_layers_and_then_seats(
    provider: Provider, calls: int, asked: str
) -> None:
    state = turn(three_layers({"max_calls": calls}), ("user", "hi"))
    assert models(provider) == asked
    assert state["messages"][-1].text.startswith("agg says")


def test_what_is_left_out_says_why(provider: Provider) -> None:
    state = turn(three_layers({"max_calls": 3}), ("user", "hi"))
    kinds = [record["kind"] for record in state["layers"]["1"].values()]
    assert kinds == ["ok", "ok", "skipped"]
    why = "left out: it would break the turn's budget, max_calls = 3"
    assert state["layers"]["1"]["03"]["error"] == why
    assert {record["error"] for record in state["layers"]["3"].values()} == {why}


def test_the_last_step_reads_the_last_layer_that_was_asked(provider: Provider) -> None:
    provider.reply("b", "from the second layer")
    turn(three_layers({"max_calls": 9}), ("user", "hi"))
    system = provider.calls[-1].messages[0]["content"]
    assert system.count("from the second layer") == 3


def test_a_quorum_counts_only_the_seats_that_are_asked(provider: Provider) -> None:
    recipe = three_layers({"max_calls": 3}).resolved()
    recipe["layers"][0]["quorum"] = 3
    state = turn(Recipe.model_validate(recipe), ("user", "hi"))
    assert state["messages"][-1].text.startswith("agg says")


def test_retries_do_not_break_a_budget_of_calls(provider: Provider) -> None:
    provider.script("a", Always(Status(500)))
    recipe = mixture(["openai:a", "openai:b"], budget={"max_calls": 3})
    turn(recipe, ("user", "hi"))
    assert models(provider) in ("a b agg", "b a agg")


@pytest.mark.parametrize("limit", ["max_tokens", "max_cost_usd"])
def test_what_ran_stays_below_the_budget(provider: Provider, limit: str) -> None:
    most = {"max_tokens": 1200, "max_cost_usd": 0.0016}
    came = asyncio.run(aask("hi", three_layers({limit: most[limit]})))
    assert came.status == "done"
    taken = came.usage["input_tokens"] + came.usage["output_tokens"]
    assert came.cost_usd is not None
    assert (taken if limit == "max_tokens" else came.cost_usd) <= most[limit]
    assert 0 < len(provider.calls) < 10


@pytest.mark.parametrize("budget", [{"max_tokens": 10}, {"max_cost_usd": 0.00001}])
def test_a_turn_of_which_not_even_one_call_fits_is_refused(
    provider: Provider, budget: dict[str, Any]
) -> None:
    with pytest.raises(OverBudget, match="not even the last step fits the turn's budget"):
        turn(three_layers(budget), ("user", "hi"))
    assert provider.calls == []


def test_a_budget_in_dollars_wants_to_know_every_price(provider: Provider) -> None:
    recipe = mixture(["openai:no-such-model"], budget={"max_cost_usd": 1.0})
    with pytest.raises(OverBudget, match="the price of `openai:no-such-model` is not known"):
        turn(recipe, ("user", "hi"))
    assert provider.calls == []


def test_a_budget_in_dollars_wants_to_know_the_price_of_a_substitute(provider: Provider) -> None:
    seat = {"model": "openai:a", "fallbacks": ["openai:no-such-model"], **PRICED}
    recipe = mixture(
        [seat], aggregator={"model": "openai:agg", **PRICED}, budget={"max_cost_usd": 1.0}
    )
    with pytest.raises(OverBudget, match="the price of `openai:no-such-model` is not known"):
        turn(recipe, ("user", "hi"))
    assert provider.calls == []
    assert asyncio.run(estimate_turn("hi", recipe))["unpriced"] == ["openai:no-such-model"]


def test_one_model_at_two_addresses_has_two_prices(provider: Provider) -> None:
    elsewhere = {"model": "openai:a", "base_url": provider.base_url}
    recipe = mixture(
        [elsewhere, {"model": "openai:a", **PRICED}],
        aggregator={"model": "openai:agg", **PRICED},
    )
    assert asyncio.run(estimate_turn("hi", recipe))["unpriced"] == ["openai:a"]


def test_a_call_is_expected_to_cost_what_its_dearest_substitute_does() -> None:
    dear = {"model": "openai:dear", "price": {"input": 0, "output": 10}, "max_tokens": 300}
    cheap = {"model": "openai:cheap", "price": {"input": 0, "output": 1}}
    told = []
    for others in ([], [dear, cheap]):
        seat = {"model": "openai:a", "fallbacks": others, **PRICED}
        recipe = mixture([seat], aggregator={"model": "openai:agg", **PRICED})
        told.append(asyncio.run(estimate_turn("hi", recipe)))
    assert [one["calls"] for one in told] == [2, 2]
    # 300 tokens of the dear one in place of 100, and the aggregator reads as many more.
    assert told[1]["tokens"] - told[0]["tokens"] == 2 * 200
    more = told[1]["cost_usd"] - told[0]["cost_usd"]
    assert more == pytest.approx((10 * 300 - 2 * 100 + 200) / 1e6, rel=0.02)


def test_a_thread_has_a_budget_of_its_own(provider: Provider) -> None:
    recipe = three_layers({"thread": {"max_calls": 12}})
    graph = graph_of(recipe, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    graph.invoke({"messages": [("user", "one")]}, config)
    assert len(provider.calls) == 10
    graph.invoke({"messages": [("user", "two")]}, config)
    assert models(provider).split()[10:] == ["a", "agg"]
    with pytest.raises(OverBudget, match="the thread's budget, max_calls = 12"):
        graph.invoke({"messages": [("user", "three")]}, config)


def test_a_turn_that_takes_too_long_goes_on_to_its_last_step(provider: Provider) -> None:
    provider.latency = 1.1
    state = turn(three_layers({"max_seconds": 3}), ("user", "hi"))
    assert models(provider).startswith("a a a")
    assert "c" not in models(provider).split()
    assert models(provider).endswith("agg")
    assert "max_seconds = 3" in state["layers"]["3"]["01"]["error"]


def test_an_estimate_asks_nobody_and_is_not_exceeded(provider: Provider) -> None:
    recipe = three_layers(None)
    expected = asyncio.run(estimate_turn("hi", recipe))
    assert provider.calls == []
    came = asyncio.run(aask("hi", recipe))
    assert expected["calls"] == came.usage["calls"] == 10
    assert came.usage["input_tokens"] + came.usage["output_tokens"] <= expected["tokens"]
    assert came.cost_usd is not None
    assert came.cost_usd <= expected["cost_usd"]


def test_an_estimate_with_an_unknown_price_has_no_cost() -> None:
    recipe = mixture(["openai:no-such-model"], aggregator={"model": "openai:agg", **PRICED})
    expected = asyncio.run(estimate_turn("hi", recipe))
    assert expected["cost_usd"] is None
    assert expected["unpriced"] == ["openai:no-such-model"]


@pytest.mark.parametrize(
    "budget",
    [{"max_calls": 0}, {"max_tokens": 0}, {"max_cost_usd": 0}, {"max_seconds": -1}, {"most": 1}],
)
def test_a_budget_of_nothing_is_refused_when_the_recipe_is_read(budget: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="budget"):
        three_layers(budget)


def test_the_command_line_says_what_a_question_would_cost(provider: Provider) -> None:
    done = moa("ask", "--recipe", "moa-lite", "--estimate", "--json", "Why?")
    expected = json.loads(done.out)
    assert (done.code, expected["calls"]) == (0, 7)
    assert expected["tokens"] > 7 * 2048
    assert provider.calls == []
