import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tests.faults import Status
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

HI = {"messages": [("user", "hi")]}
LINES = "one two three four five six seven"
ways = pytest.mark.parametrize("way", ["stream", "astream"])


def pieces(graph: Any, way: str, **how: Any) -> list[Any]:
    async def collect() -> list[Any]:
        return [piece async for piece in graph.astream(HI, **how)]

    return list(graph.stream(HI, **how)) if way == "stream" else asyncio.run(collect())


@ways
def test_tokens_say_where_they_come_from(provider: Provider, way: str) -> None:
    provider.reply("agg", LINES)
    graph = graph_of(mixture(["openai:a", "together:b"]))
    told = pieces(graph, way, stream_mode="messages")
    by_node: dict[str, str] = {}
    for piece, place in told:
        by_node[place["langgraph_node"]] = by_node.get(place["langgraph_node"], "") + piece.text
    assert by_node == {
        "L1_01_a": "a says: this is answer number 1.",
        "L1_02_b": "b says: this is answer number 1.",
        "L1_synthesize": LINES,
    }
    places = {place["langgraph_node"]: place for _, place in told}
    seat, answer = places["L1_02_b"], places["L1_synthesize"]
    assert (seat["role"], seat["layer"], seat["seat"]) == ("proposer", 1, "02")
    assert (seat["model"], answer["model"]) == ("together:b", "openai:agg")
    assert (answer["role"], answer["layer"]) == ("answer", 1)


@ways
def test_the_answer_comes_in_pieces_and_once(provider: Provider, way: str) -> None:
    provider.reply("agg", LINES)
    graph = graph_of(mixture(["openai:a"]))
    said = [
        p.text for p, at in pieces(graph, way, stream_mode="messages") if at["role"] == "answer"
    ]
    assert [text for text in said if text] == ["one two three", " four five six", " seven"]


@ways
def test_usage_is_known_also_where_tokens_stream(provider: Provider, way: str) -> None:
    provider.reply("a", "four words it says")
    provider.reply("agg", LINES)
    graph = graph_of(mixture(["openai:a", "together:a"]))
    told = pieces(graph, way, stream_mode=["messages", "values"])
    state = [data for mode, data in told if mode == "values"][-1]
    for seat in ("01", "02"):
        record = state["layers"]["1"][seat]
        assert (record["input_tokens"], record["output_tokens"]) == (1, 4)
        assert (record["kind"], record["answered_by"]) == ("ok", "a")
    assert state["messages"][-1].usage_metadata["output_tokens"] == 7
    assert all(call.body["stream_options"] == {"include_usage": True} for call in provider.calls)


@ways
def test_a_streamed_message_has_the_id_of_the_answer(provider: Provider, way: str) -> None:
    told = pieces(graph_of(mixture(["openai:a"])), way, stream_mode=["messages", "values"])
    ids = {data[0].id for mode, data in told if mode == "messages" and data[1]["role"] == "answer"}
    assert ids == {[data for mode, data in told if mode == "values"][-1]["messages"][-1].id}


@ways
def test_updates_tell_each_seat_as_it_is_done(provider: Provider, way: str) -> None:
    provider.script("a", Status(400, message="no luck"))
    graph = graph_of(mixture(["openai:a", "openai:b"]))
    updates: dict[str, Any] = {}
    for update in pieces(graph, way, stream_mode="updates"):
        updates |= update
    assert next(iter(updates)) == "begin"
    assert list(updates)[-2:] == ["L1_join", "L1_synthesize"]
    assert updates["L1_01_a"]["layers"]["1"]["01"]["error"] == "400: no luck"
    assert updates["L1_join"]["steps"] == {"L1_join": {"kept": ["02"]}}


@ways
@pytest.mark.parametrize("seats", [1, 2, 12])
def test_a_watched_layer_is_as_parallel_as_it_is_wide(
    provider: Provider, way: str, seats: int
) -> None:
    provider.min_in_flight = seats
    graph = graph_of(mixture([{"model": "openai:m", "count": seats}]), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    pieces(graph, way, config=config, stream_mode=["messages", "custom"])
    assert provider.max_in_flight == seats


def test_what_nobody_watches_is_not_streamed(provider: Provider) -> None:
    pieces(graph_of(mixture(["openai:a"])), "stream", stream_mode="updates")
    assert [call.body["stream"] for call in provider.calls] == [False, False]
