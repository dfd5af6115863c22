import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tests.faults import Empty, Slow, Status
from tests.mixtures import graph_of, mixture, turn
from tests.provider import Call, Provider

PAPER = (
    "You have been provided with a set of responses from various open-source models to the latest "
    "user query. Your task is to synthesize these responses into a single, high-quality response. "
    "It is crucial to critically evaluate the information provided in these responses, recognizing "
    "that some of it may be biased or incorrect. Your response should not simply replicate the "
    "given answers but should offer a refined, accurate, and comprehensive reply to the "
    "instruction. Ensure your response is well-structured, coherent, and adheres to the highest "
    "standards of accuracy and reliability.\n\nResponses from models:"
)
SKY = {"role": "user", "content": "why is the sky blue?"}
ASKED = ("user", "why is the sky blue?")
PAIR = ["together:org/a", "openai:b"]


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def heard(provider: Provider, model: str) -> list[list[dict[str, Any]]]:
    """The messages of each call of the model, in the order in which they came."""
    return [call.messages for call in provider.calls if call.model == model]


def said(provider: Provider, **answers: str) -> None:
    names = {"a": "org/a"}
    for model, text in answers.items():
        provider.reply(names.get(model, model), text)


def test_the_papers_three_layers_message_for_message(provider: Provider) -> None:
    provider.reply("org/a", "a one", "a two")
    provider.reply("b", "b one", "b two")
    provider.reply("agg", "the answer")
    state = turn(mixture(PAIR, PAIR), ASKED)
    second = [system(f"{PAPER}\n1. a one\n2. b one"), SKY]
    assert heard(provider, "org/a") == [[SKY], second]
    assert heard(provider, "b") == [[SKY], second]
    assert heard(provider, "agg") == [[system(f"{PAPER}\n1. a two\n2. b two"), SKY]]
    assert state["messages"][-1].text == "the answer"
    assert len(provider.calls) == 5


def test_three_layers_of_proposers_hear_only_the_layer_before(provider: Provider) -> None:
    provider.reply("org/a", "a one", "a two", "a three")
    provider.reply("b", "b one", "b two", "b three")
    turn(mixture(PAIR, PAIR, PAIR), ASKED)
    lists = ["\n1. a one\n2. b one", "\n1. a two\n2. b two", "\n1. a three\n2. b three"]
    for model in ("org/a", "b"):
        later = [[system(PAPER + references), SKY] for references in lists[:2]]
        assert heard(provider, model) == [[SKY], *later]
    assert heard(provider, "agg") == [[system(PAPER + lists[2]), SKY]]


def test_one_layer_and_the_aggregator_is_moa_lite(provider: Provider) -> None:
    said(provider, a="from a", b="from b")
    turn(mixture(PAIR), ASKED)
    assert heard(provider, "org/a") == heard(provider, "b") == [[SKY]]
    assert heard(provider, "agg") == [[system(f"{PAPER}\n1. from a\n2. from b"), SKY]]


def test_the_history_holds_the_users_turns_and_the_final_answers_only(provider: Provider) -> None:
    provider.reply("org/a", "a one", "a two")
    provider.reply("b", "b one", "b two")
    provider.reply("agg", "first answer", "second answer")
    graph = graph_of(mixture(PAIR), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}

    async def two_turns() -> Any:
        await graph.ainvoke({"messages": [ASKED]}, config)
        return await graph.ainvoke({"messages": [("user", "and at night?")]}, config)

    state = asyncio.run(two_turns())
    history = [
        SKY,
        {"role": "assistant", "content": "first answer"},
        {"role": "user", "content": "and at night?"},
    ]
    assert heard(provider, "org/a") == [[SKY], history]
    assert heard(provider, "b") == [[SKY], history]
    assert heard(provider, "agg")[1] == [system(f"{PAPER}\n1. a two\n2. b two"), *history]
    assert [m.text for m in state["messages"]] == [
        "why is the sky blue?", "first answer", "and at night?", "second answer",
    ]  # fmt: skip


def test_a_callers_system_message_comes_first_and_the_prompt_behind_it(provider: Provider) -> None:
    said(provider, a="from a", b="from b")
    turn(mixture(PAIR, PAIR), ("system", "Answer in Dutch."), ASKED)
    told = [system(f"Answer in Dutch.\n\n{PAPER}\n1. from a\n2. from b"), SKY]
    assert heard(provider, "org/a") == [[system("Answer in Dutch."), SKY], told]
    assert heard(provider, "agg") == [told]


@pytest.mark.parametrize("fault", [Status(400, message="no such luck"), Empty()])
def test_a_failed_proposer_is_left_out_and_the_numbering_closes_up(
    provider: Provider, fault: Any
) -> None:
    provider.script("b", fault)
    trio = ["together:org/a", "openai:b", "openai:c"]
    said(provider, a="from a", c="from c")
    turn(mixture(trio), ASKED)
    assert heard(provider, "agg") == [[system(f"{PAPER}\n1. from a\n2. from c"), SKY]]


ODD = {
    "surrounded by white space": ("\n\n  an answer \t\n", "an answer"),
    "several lines": ("one\n\n  two\n- three", "one\n\n  two\n- three"),
    "NUL": ("be\0fore", "be\0fore"),
    "emoji": ("👩🏽‍🚀 said 日本語", "👩🏽‍🚀 said 日本語"),
    "200 kB": ("word " * 40_000 + "end", "word " * 40_000 + "end"),
    "half an emoji": ("half \ud83d here", "half ? here"),
    "a dollar name": ("it costs $question and $5", "it costs $question and $5"),
    "its own list": ("1. first\n2. second", "1. first\n2. second"),
}


@pytest.mark.parametrize(("answer", "read"), ODD.values(), ids=ODD)
def test_an_odd_answer_is_read_as_it_is(provider: Provider, answer: str, read: str) -> None:
    said(provider, a=answer, b="from b", agg=answer)
    state = turn(mixture(PAIR), ASKED, checkpointer=None)
    assert heard(provider, "agg") == [[system(f"{PAPER}\n1. {read}\n2. from b"), SKY]]
    assert state["messages"][-1].text.strip() == read


def test_references_stand_in_seat_order_whoever_is_first(provider: Provider) -> None:
    provider.script("m0", Slow(0.3))
    provider.script("m1", Slow(0.15))
    seats = [f"openai:m{index}" for index in range(12)]
    for index in range(12):
        provider.reply(f"m{index}", f"from m{index}")
    turn(mixture(seats, seats), ASKED)
    references = "".join(f"\n{index + 1}. from m{index}" for index in range(12))
    told = [system(PAPER + references), SKY]
    assert all(heard(provider, f"m{index}") == [[SKY], told] for index in range(12))


def test_copies_of_one_model_are_references_of_their_own(provider: Provider) -> None:
    provider.reply("b", lambda call: f"sample {call.number}")
    turn(mixture([{"model": "openai:b", "count": 3}]), ASKED)
    (told, _asked) = heard(provider, "agg")[0]
    lines = told["content"].removeprefix(f"{PAPER}\n").split("\n")
    assert [line[:10] for line in lines] == ["1. sample ", "2. sample ", "3. sample "]
    assert {line[3:] for line in lines} == {"sample 1", "sample 2", "sample 3"}


def test_a_question_as_parts_reaches_every_model_as_it_is(provider: Provider) -> None:
    parts = [{"type": "text", "text": "why?"}]
    graph = graph_of(mixture(["openai:b"]))
    asyncio.run(graph.ainvoke({"messages": [{"role": "user", "content": parts}]}))
    assert [call.messages[-1]["content"] for call in provider.calls] == [parts, parts]


def test_an_answer_that_depends_on_what_was_heard_sees_the_question(provider: Provider) -> None:
    def parrot(call: Call) -> str:
        return str(call.messages[-1]["content"])

    provider.reply("agg", parrot)
    assert turn(mixture(["openai:b"]), ASKED)["messages"][-1].text == ASKED[1]
