import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import ask
from tests.faults import Status
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

SIX = [f"openai:m{index}" for index in range(6)]


def asked(text: str = "hi") -> dict[str, Any]:
    return {"messages": [("user", text)]}


@pytest.fixture
def graph(provider: Provider) -> Any:
    provider.reply("agg", "the answer")
    return graph_of(mixture(["openai:a", "together:b"], ["openai:a"]))


def answer(state: dict[str, Any]) -> str:
    return str(state["messages"][-1].text)


def test_invoke_and_ainvoke_return_messages_layers_and_recipe(graph: Any) -> None:
    for state in (graph.invoke(asked()), asyncio.run(graph.ainvoke(asked()))):
        assert set(state) == {"messages", "layers", "recipe"}
        assert [type(m) for m in state["messages"]] == [HumanMessage, AIMessage]
        assert answer(state) == "the answer"
        assert {layer: list(seats) for layer, seats in state["layers"].items()} == {
            "1": ["01", "02"],
            "2": ["01"],
        }
        assert state["recipe"]["name"] == "mixture"


def test_stream_and_astream_end_in_the_same_answer(graph: Any) -> None:
    async def streamed() -> list[Any]:
        return [state async for state in graph.astream(asked(), stream_mode="values")]

    for states in (list(graph.stream(asked(), stream_mode="values")), asyncio.run(streamed())):
        assert answer(states[-1]) == "the answer"


def test_batch_and_abatch_answer_each(graph: Any, provider: Provider) -> None:
    provider.reply("agg", lambda call: f"to {call.messages[-1]['content']}")
    questions = [asked(str(number)) for number in range(4)]
    for states in (graph.batch(questions), asyncio.run(graph.abatch(questions))):
        assert [answer(state) for state in states] == ["to 0", "to 1", "to 2", "to 3"]


def test_invoke_and_ask_work_inside_a_running_loop(graph: Any) -> None:
    async def inside() -> list[str]:
        waited = answer(await graph.ainvoke(asked()))
        result = ask("hi", mixture(["openai:a"]))
        return [answer(graph.invoke(asked())), waited, result.answer]

    assert asyncio.run(inside()) == ["the answer"] * 3


def test_one_loop_after_another(graph: Any, provider: Provider) -> None:
    for _ in range(3):
        assert answer(asyncio.run(graph.ainvoke(asked()))) == "the answer"
        assert answer(graph.invoke(asked())) == "the answer"


def test_a_loop_that_ended_keeps_no_connection(graph: Any, provider: Provider) -> None:
    for _ in range(3):
        asyncio.run(graph.ainvoke(asked()))
    closed = threading.Event()
    for _ in range(100):
        if provider.open_connections == 0:
            break
        closed.wait(0.01)
    assert provider.open_connections == 0


def test_invoke_from_several_threads(graph: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda number: graph.invoke(asked(str(number))), range(16)))
    assert [answer(state) for state in states] == ["the answer"] * 16
    assert [state["messages"][0].text for state in states] == [str(n) for n in range(16)]


@pytest.mark.parametrize("seats", [6, 12])
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "inside"])
def test_a_layer_is_as_parallel_as_it_is_wide(provider: Provider, way: str, seats: int) -> None:
    provider.min_in_flight = seats
    graph = graph_of(mixture([{"model": "openai:m", "count": seats}]))

    async def inside() -> None:
        graph.invoke(asked())

    if way == "invoke":
        graph.invoke(asked())
    else:
        asyncio.run(inside() if way == "inside" else graph.ainvoke(asked()))
    assert provider.max_in_flight == seats


def test_the_recipe_in_the_state_is_the_one_that_ran(graph: Any) -> None:
    state = graph.invoke(asked())
    assert state["recipe"]["layers"][0]["proposers"][1]["model"] == "together:b"
    assert state["recipe"]["prompts"]["synthesize"].startswith("You have been provided")


def test_each_turn_begins_with_empty_layers(provider: Provider) -> None:
    graph = graph_of(mixture(["openai:a", "openai:b"]), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    first = graph.invoke(asked("one"), config)
    provider.script("b", Status(400))
    second = graph.invoke(asked("two"), config)
    assert first["layers"]["1"]["02"]["ok"]
    assert not second["layers"]["1"]["02"]["ok"]
    assert second["layers"]["1"]["02"]["text"] == ""
    assert [type(m) for m in second["messages"]] == [HumanMessage, AIMessage] * 2
    old = [s for s in graph.get_state_history(config) if s.next == ("L1_synthesize",)]
    assert [s.values["layers"]["1"]["02"]["ok"] for s in old] == [False, True]


def test_the_answer_carries_its_usage_and_its_model(graph: Any) -> None:
    message = graph.invoke(asked())["messages"][-1]
    assert message.usage_metadata["output_tokens"] == 2
    assert message.response_metadata["model_name"] == "agg"
