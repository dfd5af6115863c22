"""A provider's counts are believed only where they can be true; else the text is counted."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph.api.ask import aask
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.events import SilentObserver
from moagraph.threads.result import Result
from tests.faults import Always
from tests.mixtures import one_layer
from tests.provider import Provider
from tests.raw import body_of, events_of, stream, whole

PRICE = {"input": 1.0, "output": 2.0}
SEATS = [{"model": f"openai:{name}", "price": PRICE} for name in ("a", "false", "c")]
AGGREGATOR = {"model": "openai:agg", "price": PRICE}

NOT_COUNTS: dict[str, Any] = {
    "negative": {"prompt_tokens": -50, "completion_tokens": -7, "total_tokens": -57},
    "fractional": {"prompt_tokens": 1.5, "completion_tokens": 7.25, "total_tokens": 8.75},
    "boolean": {"prompt_tokens": True, "completion_tokens": True, "total_tokens": True},
    "text": {"prompt_tokens": "11", "completion_tokens": "7", "total_tokens": "18"},
    "above 64 bits": {"prompt_tokens": 2**64, "completion_tokens": 2**70, "total_tokens": 2**71},
    "absurd": {"prompt_tokens": 10**15, "completion_tokens": 10**15, "total_tokens": 2 * 10**15},
    "not a number": {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
    "null": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
    "nested": {"prompt_tokens": {"a": [1, {"b": 2}]}, "completion_tokens": [[7]]},
    "nothing": {},
    "a list": [11, 7],
    "a word": "many",
    "a number": 18,
    "no prompt": {"completion_tokens": 7, "total_tokens": 18},
    "zero": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "false details": {
        "prompt_tokens": -1,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": "x"},
        "completion_tokens_details": 5,
    },
}
FORMS = {
    "whole": lambda usage: whole(body_of(usage=usage)),
    "streamed": lambda usage: stream(events_of(usage=usage)),
}


def run(form: str, recipe: Any, **options: Any) -> Result:
    watch = SilentObserver() if form == "streamed" else None
    return asyncio.run(aask("What is it?", recipe, watch=watch, **options))


def proposals(result: Result) -> dict[str, dict[str, Any]]:
    return {one["model"]: dict(one) for one in result.layers[0]["proposals"]}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NOT_COUNTS)
def test_a_usage_that_cannot_be_true_is_estimated_from_the_text(
    provider: Provider, name: str, form: str
) -> None:
    provider.script("false", Always(FORMS[form](NOT_COUNTS[name])))
    came = run(form, one_layer(*SEATS, aggregator=AGGREGATOR))
    assert (came.status, came.error) == ("done", None)
    seats = proposals(came)
    assert {one["ok"] for one in seats.values()} == {True}
    false = seats["openai:false"]
    assert false["text"] == "an answer"
    assert false["estimated"] is True
    assert 3 <= false["input_tokens"] <= 30
    assert false["output_tokens"] == 3  # nine bytes
    assert false["cost_usd"] == pytest.approx((false["input_tokens"] + 6) / 1e6)
    assert came.usage["estimated"] is True
    assert "estimated" not in seats["openai:a"]


@pytest.mark.parametrize("form", FORMS)
def test_a_total_that_is_missing_or_wrong_is_not_needed(provider: Provider, form: str) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": -3}
    provider.script("false", Always(FORMS[form](usage)))
    came = run(form, one_layer(*SEATS, aggregator=AGGREGATOR))
    false = proposals(came)["openai:false"]
    assert (false["input_tokens"], false["output_tokens"]) == (11, 7)
    assert "estimated" not in false
    assert "estimated" not in came.usage


def test_a_usage_that_every_chunk_repeats_is_counted_once(provider: Provider) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    events = [{**one, "usage": usage} for one in events_of()]
    provider.script("false", Always(stream(events)))
    false = proposals(run("streamed", one_layer(*SEATS, aggregator=AGGREGATOR)))["openai:false"]
    assert (false["input_tokens"], false["output_tokens"]) == (11, 7)


def test_more_cached_tokens_than_there_are_do_not_make_a_price_negative(
    provider: Provider,
) -> None:
    """The price is the published one, which is lower for what was cached."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 10_000_000},
    }
    provider.script("gpt-4o-mini", Always(whole(body_of(usage=usage, model="gpt-4o-mini"))))
    came = run("whole", one_layer("openai:gpt-4o-mini", aggregator=AGGREGATOR))
    cost = proposals(came)["openai:gpt-4o-mini"]["cost_usd"]
    assert 0 < cost < 1e-5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["negative", "above 64 bits", "not a number"])
async def test_a_thread_survives_a_false_usage_of_its_answer(
    provider: Provider, name: str, form: str
) -> None:
    saver, recipe = InMemorySaver(), one_layer("openai:a", budget={"thread": {"max_tokens": 10**6}})
    watch = SilentObserver() if form == "streamed" else None
    provider.script("agg", FORMS[form](NOT_COUNTS[name]))
    first = await aask("one?", recipe, thread="t", threads=saver, watch=watch)
    assert (first.status, first.answer) == ("done", "an answer")
    assert first.usage["input_tokens"] >= 0
    second = await aask("two?", recipe, thread="t", threads=saver)
    assert (second.status, second.answer) == ("done", "agg says: this is answer number 2.")
    assert provider.calls[-1].messages[-2]["content"] == "an answer"


def test_a_negative_usage_leaves_no_more_of_a_budget(provider: Provider) -> None:
    """Seats whose usage would pay back more than all others take."""
    provider.script("false", Always(FORMS["whole"](NOT_COUNTS["negative"])))
    seat = {"model": "openai:false", "count": 3, "max_tokens": 100}
    recipe: dict[str, Any] = {
        "name": "budget",
        "layers": [{"proposers": [seat]} for _ in range(4)],
        "budget": {"max_calls": 100, "max_tokens": 1_500},
    }
    recipe["layers"][-1]["aggregate"] = {**AGGREGATOR, "step": "synthesize", "max_tokens": 100}
    came = run("whole", Recipe.model_validate(recipe))
    assert came.status == "done"
    assert 0 < came.usage["input_tokens"] + came.usage["output_tokens"] <= 1_500
    assert len(provider.calls) < 13
