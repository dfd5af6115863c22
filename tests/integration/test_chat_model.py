"""A recipe as a chat model: what an app gets, and what a seat of another recipe gets."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from moagraph import ChatMoA, RecipeError, UsageError, ask
from moagraph.nodes.errors import MissingKey
from tests.mixtures import graph_of, mixture, turn
from tests.provider import Provider

INNER = """
[[layers]]
proposers = ["openai:a", "openai:b"]
aggregate = { step = "synthesize", model = "openai:agg", price = { input = 1, output = 1 } }
"""


@pytest.fixture
def model(provider: Provider) -> ChatMoA:
    provider.reply("a", "two words")
    provider.reply("agg", "one two three four five")
    return ChatMoA(recipe=mixture(["openai:a", "openai:a"]))


@pytest.fixture
def inner(tmp_path: Path) -> str:
    """A recipe in a file, as a seat names it."""
    (tmp_path / "inner.toml").write_text(INNER)
    return f"moa:{tmp_path / 'inner.toml'}"


def test_a_question_is_answered_and_the_bill_is_that_of_all_calls(model: ChatMoA) -> None:
    answer = model.invoke("hi")
    assert answer.text == "one two three four five"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 2 + 2 + 5
    assert answer.response_metadata["moa"]["calls"] == 3
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_is_the_last_steps_and_ends_in_the_bill(model: ChatMoA, way: str) -> None:
    async def collect() -> list[AIMessageChunk]:
        return [chunk async for chunk in model.astream("hi")]

    chunks = list(model.stream("hi")) if way == "stream" else asyncio.run(collect())
    assert "".join(chunk.text for chunk in chunks) == "one two three four five"
    assert [c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata] == [9]
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_that_nobody_reads_to_its_end_stops(model: ChatMoA, provider: Provider) -> None:
    provider.chunk_delay = 0.2
    stream = model.stream("hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    last = provider.calls[-1]
    for _ in range(100):
        if last.aborted:
            break
        time.sleep(0.02)
    assert (last.model, last.aborted) == ("agg", True)


def test_what_is_said_of_a_call_goes_before_what_was_said_of_the_model(
    provider: Provider,
) -> None:
    model = ChatMoA(recipe=mixture(["openai:a"]), temperature=0.1, stop=["three"])
    provider.reply("agg", "one two three four")
    assert model.invoke("hi", temperature=0.9).text.strip() == "one two"
    last = provider.calls[-1].body
    assert (last["temperature"], last["stop"]) == (0.9, ["three"])
    assert "temperature" not in provider.calls[0].body


def test_structured_output_is_the_last_steps(provider: Provider) -> None:
    class Verdict(BaseModel):
        sound: bool

    provider.reply("agg", {"tool_calls": [{"name": "Verdict", "arguments": {"sound": True}}]})
    model = ChatMoA(recipe=mixture(["openai:a"])).with_structured_output(Verdict)
    assert model.invoke("is it?") == Verdict(sound=True)
    assert "tools" not in provider.calls[0].body


def test_an_unknown_word_is_refused_by_name(model: ChatMoA) -> None:
    with pytest.raises(UsageError, match="`logprobs`"):
        model.invoke("hi", logprobs=True)


def test_a_recipe_that_pauses_is_no_chat_model() -> None:
    recipe = mixture(["scripted:a"], aggregator="scripted:b").resolved()
    recipe["layers"][0]["review"] = True
    with pytest.raises(UsageError, match="pauses for a person"):
        ChatMoA(recipe=type(mixture(["scripted:a"])).model_validate(recipe))


def test_within_another_graph_it_is_one_model_and_keeps_to_itself(model: ChatMoA) -> None:
    graph: Any = graph_of(mixture(["scripted:a"], aggregator="scripted:b"))
    both: Any = RunnableLambda(lambda said: (graph.invoke(said), model.invoke("hi")))
    state, answer = both.invoke({"messages": [HumanMessage("hi")]})
    assert isinstance(answer, AIMessage)
    assert state["messages"][-1].text == "b"


def test_a_recipe_sits_in_a_seat_and_its_bill_is_counted_once(
    provider: Provider, inner: str
) -> None:
    provider.reply("a", "two words")
    provider.reply("b", "three more words")
    provider.reply("agg", "one two three four five")
    result = ask("hi", mixture([inner], aggregator="scripted:done"))
    [seat] = result.layers[0]["proposals"]
    assert (seat["ok"], seat["text"]) == (True, "one two three four five")
    assert (seat["attempts"], seat["output_tokens"]) == (3, 10)
    assert result.usage["calls"] == 4
    assert len(provider.calls) == 3


def test_a_seat_streams_its_answer_and_not_what_led_to_it(provider: Provider, inner: str) -> None:
    provider.reply("agg", "one two three four five")
    graph = graph_of(mixture([inner], aggregator="scripted:done"))
    told = list(graph.stream({"messages": [("user", "hi")]}, stream_mode="messages"))
    seats = [piece.text for piece, at in told if at["role"] == "proposer"]
    assert "".join(seats) == "one two three four five"


def test_a_seat_without_its_inner_key_is_refused_before_any_call(
    provider: Provider, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(MissingKey):
        turn(mixture(["together:x", inner], aggregator="scripted:done"), ("user", "hi"))
    assert provider.calls == []


def test_a_recipe_that_contains_itself_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "round.toml"
    step = 'aggregate = { step = "synthesize", model = "scripted:done" }'
    file.write_text(f'[[layers]]\nproposers = ["moa:{file}"]\n{step}\n')
    with pytest.raises(RecipeError, match="contains itself"):
        ask("hi", file)
