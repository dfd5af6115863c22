import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.load import load_recipe
from moagraph.server.app import create_app
from moagraph.server.client_threads import messages_to_write
from moagraph.server.validation import MAX_ITEMS
from tests.operations import Operations, longest_block
from tests.provider import Provider
from tests.serving import Served, save, serving


@pytest.fixture
def served(own_environment: None) -> Iterator[Served]:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    with serving() as served:
        yield served


def conversation(length: int) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": "x"} for n in range(length - 1 + length % 2)]


def test_20_000_messages_are_refused_while_others_are_answered(served: Served) -> None:
    with ThreadPoolExecutor() as pool:
        body = {"model": "mix", "messages": conversation(20_000)}
        refused = pool.submit(served.post, body)
        while not refused.done():
            assert served.get("/healthz").json() == {"status": "ok"}
    assert refused.result().status_code == 400
    assert refused.result().json()["error"]["code"] == "array_above_max_length"


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_one_message_too_many_is_named(served: Served, path: str) -> None:
    field = "input" if path == "/responses" else "messages"
    body = {"model": "mix", field: [{"role": "user", "content": "x"}] * (MAX_ITEMS + 1)}
    answer = served.post(body, path)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (field, "array_above_max_length")
    assert f"at most {MAX_ITEMS:,}" in error["message"]


def test_as_many_messages_as_are_accepted_are_answered(served: Served) -> None:
    messages = [*conversation(MAX_ITEMS - 1), {"role": "user", "content": "the last"}]
    assert served.ask(messages=messages).choices[0].message.content == "the last"


async def block_of(length: int) -> int:
    """The most operations that a conversation of that length keeps the event loop from others."""
    door = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=door, base_url="http://127.0.0.1") as client:

        async def ask(length: int) -> None:
            body = {"model": "mix", "messages": conversation(length)}
            answer = await client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text

        await ask(1)
        return await longest_block(lambda: ask(length))


def test_a_long_conversation_keeps_the_event_loop_for_few_operations_a_message(
    provider: Provider,
) -> None:
    save()
    short, long = asyncio.run(block_of(800)), asyncio.run(block_of(1600))
    assert long <= 2.5 * short
    assert long < 100 * 1600


async def operations_of(system_messages: int) -> int:
    """What it takes to find what so many new system messages change in a stored thread."""
    recipe = load_recipe("mix")
    graph = build(recipe).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"messages": [SystemMessage("old"), HumanMessage("hi")]}, config)
    request: list[AnyMessage] = [SystemMessage(f"rule {n}") for n in range(system_messages)]
    with Operations() as counter:
        written = await messages_to_write(graph, config, [*request, HumanMessage("and now?")])
    assert [message.text for message in written[1:3]] == ["rule 0", "rule 1"]
    assert [message.text for message in written[-3:]] == ["hi", "hi", "and now?"]
    return counter.count


async def test_twice_the_system_messages_take_at_most_two_and_a_half_times_the_operations() -> None:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    assert await operations_of(400) <= 2.5 * await operations_of(200)
