from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_openai.chat_models.base import BaseChatOpenAI

from moagraph.nodes.models.raw_messages import with_raw_messages
from tests.operations import Operations
from tests.provider import Provider

CALL: Any = {"type": "tool_call", "id": "c1", "name": "look", "args": {"at": "the sky"}}
WRONG: Any = {"type": "invalid_tool_call", "id": "c2", "name": "look", "args": "{", "error": "x"}
IMAGE: Any = {"type": "image_url", "image_url": {"url": "u"}}
CONVERSATION: list[AnyMessage] = [
    SystemMessage("be brief"),
    HumanMessage(
        [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "u"}}]
    ),
    AIMessage("an answer", name="helper"),
    AIMessage("", tool_calls=[CALL], invalid_tool_calls=[WRONG]),
    ToolMessage("blue", tool_call_id="c1"),
    AIMessage("with a call", tool_calls=[CALL]),
    ToolMessage("grey", tool_call_id="c1"),
    AIMessage([{"type": "text", "text": "in parts"}]),
    HumanMessage("and now?"),
]


def chat(provider: Provider, raw: bool = True, **settings: Any) -> Any:
    kind = with_raw_messages(BaseChatOpenAI) if raw else BaseChatOpenAI
    return kind(model="a", api_key="k", base_url=provider.base_url, max_retries=0, **settings)


@pytest.mark.parametrize(
    "settings",
    [{}, {"streaming": True}, {"extra_body": {"top_k": 3}}, {"extra_body": {"messages": []}}],
    ids=["whole", "streamed", "extra JSON", "extra messages"],
)
async def test_the_request_is_what_langchain_sends(
    provider: Provider, settings: dict[str, Any]
) -> None:
    for raw in (True, False):
        assert (await chat(provider, raw, **settings).ainvoke(CONVERSATION)).text
    sent, expected = [call.body for call in provider.calls]
    assert sent == expected
    assert [*sent] == [*expected]


async def test_an_answer_in_json_is_requested_in_the_same_way(provider: Provider) -> None:
    provider.reply("a", "{}")
    schema = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object"}}}
    for raw in (True, False):
        await chat(provider, raw).bind(response_format=schema).ainvoke(CONVERSATION)
    sent, expected = [call.body for call in provider.calls]
    assert sent == expected


async def calls_of(provider: Provider, messages: list[AnyMessage]) -> int:
    model = chat(provider)
    await model.ainvoke("warm")
    with Operations() as counter:
        await model.ainvoke(messages)
    return counter.count


async def test_a_message_takes_few_operations(provider: Provider) -> None:
    short = await calls_of(provider, [HumanMessage("x")] * 100)
    long = await calls_of(provider, [HumanMessage("x")] * 200)
    assert 0 < long - short < 100 * 100  # 100 for each further message; with the SDK it is 1,300


async def test_a_character_takes_no_operation(provider: Provider) -> None:
    short = await calls_of(provider, [HumanMessage("x"), AIMessage("x" * 1000), HumanMessage("x")])
    long = await calls_of(provider, [HumanMessage("x"), AIMessage("x" * 9000), HumanMessage("x")])
    assert abs(long - short) < 1000
