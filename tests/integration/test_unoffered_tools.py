"""A call of a tool that nobody offered is no answer."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph.api.ask import aask
from moagraph.api.resume import aretry
from moagraph.threads.events import SilentObserver
from moagraph.threads.result import Result
from tests.faults import Always, Raw
from tests.mixtures import graph_of, one_layer
from tests.provider import Provider
from tests.raw import body_of, stream, whole

CALL = {"id": "call_1", "type": "function", "function": {"name": "rm", "arguments": '{"f": "/"}'}}
OFFERED = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


def told(text: str | None, *calls: dict[str, Any], streamed: bool = False) -> Raw:
    """An answer with these tool calls."""
    message = {"content": text, "tool_calls": list(calls)}
    if not streamed:
        return whole(body_of(message=message, choice={"finish_reason": "tool_calls"}))
    numbered = [{**call, "index": number} for number, call in enumerate(calls)]
    delta = {"index": 0, "delta": {**message, "tool_calls": numbered}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    return stream([{"model": "raw", "choices": [one]} for one in (delta, last)])


def run(recipe: Any, streamed: bool) -> Result:
    return asyncio.run(aask("why?", recipe, watch=SilentObserver() if streamed else None))


@pytest.mark.parametrize("streamed", [False, True])
def test_an_aggregator_that_only_calls_an_unknown_tool_has_failed(
    provider: Provider, streamed: bool
) -> None:
    provider.script("agg", Always(told(None, CALL, streamed=streamed)))
    came = run(one_layer("openai:a"), streamed)
    assert (came.status, came.answer) == ("failed", "")
    assert came.error is not None
    assert came.error.endswith("the model called the tool 'rm', which nobody offered")
    assert came.usage["calls"] == 2


async def test_it_can_be_retried(provider: Provider) -> None:
    provider.script("agg", told(None, CALL))
    saver = InMemorySaver()
    first = await aask("why?", one_layer("openai:a"), thread="t", threads=saver)
    assert first.status == "failed"
    second = await aretry("t", saver)
    assert (second.status, second.answer) == ("done", "agg says: this is answer number 2.")
    assert [call.model for call in provider.calls] == ["a", "agg", "agg"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_proposer_that_only_calls_an_unknown_tool_is_no_reference(
    provider: Provider, streamed: bool
) -> None:
    provider.script("b", Always(told(None, CALL, streamed=streamed)))
    came = run(one_layer("openai:a", "openai:b"), streamed)
    [_, second] = came.layers[0]["proposals"]
    assert (second["ok"], second["kind"], second["text"]) == (False, "bad_answer", "")
    system = provider.calls[-1].messages[0]["content"]
    assert "1. a says" in system
    assert "2. " not in system


def test_a_proposer_whose_own_tool_is_called_has_no_text_for_others(provider: Provider) -> None:
    provider.reply("b", {"tool_calls": [{"name": "clock"}]})
    came = run(one_layer("openai:a", {"model": "openai:b", "tools": [OFFERED]}), False)
    [_, second] = came.layers[0]["proposals"]
    assert (second["ok"], second["error"]) == (
        False,
        "the answer has no text that others could read",
    )


def test_a_text_beside_an_unknown_tool_stays_an_answer(provider: Provider) -> None:
    provider.script("agg", Always(told("because", CALL)))
    came = graph_of(one_layer("openai:a")).invoke({"messages": [("user", "why?")]})
    assert came["messages"][-1].text == "because"
    assert came["messages"][-1].tool_calls == []


@pytest.mark.parametrize("streamed", [False, True])
def test_only_the_offered_tools_are_called(provider: Provider, streamed: bool) -> None:
    clock = {"id": "call_2", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    provider.script("agg", Always(told(None, CALL, clock, streamed=streamed)))
    recipe = one_layer("openai:a", aggregator={"model": "openai:agg", "tools": [OFFERED]})
    saver = InMemorySaver()
    watch = SilentObserver() if streamed else None
    came = asyncio.run(aask("why?", recipe, thread="t", threads=saver, watch=watch))
    assert came.status == "done"
    answer = graph_of(recipe, checkpointer=saver).get_state({"configurable": {"thread_id": "t"}})
    calls = answer.values["messages"][-1].tool_calls
    assert [(call["name"], call["args"]) for call in calls] == [("clock", {})]


def test_a_tool_that_may_not_be_called_is_not_offered(provider: Provider) -> None:
    provider.reply("agg", {"tool_calls": [{"name": "clock"}]})
    aggregator = {"model": "openai:agg", "tools": [OFFERED], "tool_choice": "none"}
    came = run(one_layer("openai:a", aggregator=aggregator), False)
    assert came.status == "failed"


def test_an_argument_that_cannot_be_stored_makes_no_call(provider: Provider) -> None:
    huge = {"name": "clock", "arguments": {"n": 2**70}}
    provider.reply("agg", {"tool_calls": [huge]})
    recipe = one_layer("openai:a", aggregator={"model": "openai:agg", "tools": [OFFERED]})
    came = run(recipe, False)
    assert came.status == "failed"
    assert "with arguments that cannot be stored" in str(came.error)


def test_a_model_that_declines_says_so_in_its_own_words(provider: Provider) -> None:
    refusal = whole(body_of(None, message={"content": None, "refusal": "I will not do that."}))
    provider.script("agg", Always(refusal))
    came = run(one_layer("openai:a"), False)
    assert came.status == "failed"
    assert "the model declines to answer: I will not do that." in str(came.error)
