import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from moagraph import ask
from moagraph.nodes.models.scripted import Scripted, ScriptedFailure
from tests.mixtures import mixture, turn

HI = [HumanMessage("hi\n there")]


def said(name: str, messages: Any = HI) -> AIMessage:
    return asyncio.run(Scripted(name=name).ainvoke(messages))


def test_a_name_is_the_answer() -> None:
    assert said("Yes, it is.").text == "Yes, it is."


def test_echo_repeats_the_question() -> None:
    assert said("echo").text == "hi\n there"
    assert said("echo", [SystemMessage("x")]).text == ""


def test_count_says_how_many_references_it_heard() -> None:
    assert said("count").text == "I heard 0 references."
    assert said("count", [SystemMessage("x:\n1. a\n2. b"), *HI]).text == "I heard 2 references."


def test_fail_fails_and_empty_says_nothing() -> None:
    with pytest.raises(ScriptedFailure, match="scripted to fail"):
        said("fail")
    assert said("empty").text == ""


def test_usage_is_counted_in_words() -> None:
    usage = said("one two three").usage_metadata
    assert usage == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}


@pytest.mark.parametrize("text", ["one", "one  two\n\nthree ", " lead", "日本語 text"])
def test_a_streamed_answer_is_the_same_in_pieces(text: str) -> None:
    async def pieces() -> Any:
        return [piece async for piece in Scripted(name=text).astream(HI)]

    got = asyncio.run(pieces())
    assert "".join(piece.text for piece in got) == text
    assert sum((piece.usage_metadata or {}).get("output_tokens", 0) for piece in got) == len(
        text.split()
    )


def test_a_scripted_mixture_needs_no_key_and_no_server() -> None:
    recipe = mixture(["scripted:a", "scripted:fail", "scripted:empty"], aggregator="scripted:count")
    state = turn(recipe, ("user", "hi"))
    assert state["messages"][-1].text == "I heard 1 references."
    kinds = [record["kind"] for record in state["layers"]["1"].values()]
    assert kinds == ["ok", "bad_answer", "empty"]
    assert ask("hi", recipe).answer == "I heard 1 references."
