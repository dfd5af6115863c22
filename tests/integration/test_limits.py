import asyncio
import threading
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from moagraph.graphs.recipe.schema import Recipe
from tests.faults import Always, Hang
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

HI = {"messages": [("user", "hi")]}


@pytest.fixture
def slow() -> Iterator[Provider]:
    """A server of its own address, so that no other test shares its limits."""
    with Provider(latency=0.05) as provider:
        yield provider


def limited(provider: Provider, *models: str, **said: Any) -> Recipe:
    seats = [f"vllm:{model}" for model in models]
    defaults = {"base_url": provider.base_url, "timeout": 20} | said.pop("defaults", {})
    return mixture(seats, aggregator="vllm:agg", defaults=defaults, **said)


def test_a_server_is_asked_so_much_by_all_recipes_threads_and_loops(slow: Provider) -> None:
    recipes = [
        limited(slow, "a", "b", "c", limits={"vllm": {"max_concurrency": 2}}),
        limited(slow, "d", "e", "f", limits={"vllm": {"max_concurrency": 2}}),
    ]
    graphs = [graph_of(recipe) for recipe in recipes]
    works = [
        lambda: graphs[0].invoke(HI),
        lambda: graphs[1].invoke(HI),
        lambda: asyncio.run(graphs[0].ainvoke(HI)),
        lambda: asyncio.run(graphs[1].ainvoke(HI)),
    ]
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slow.calls) == 16
    assert slow.max_in_flight == 2


def test_another_server_has_limits_of_its_own(slow: Provider, provider: Provider) -> None:
    one = {"vllm": {"max_concurrency": 1}}
    provider.latency = 0.3
    slow.latency = 0.3

    async def both() -> None:
        recipes = [limited(server, "a", "b", limits=one) for server in (slow, provider)]
        await asyncio.gather(*(graph_of(recipe).ainvoke(HI) for recipe in recipes))

    asyncio.run(both())
    assert (slow.max_in_flight, provider.max_in_flight) == (1, 1)
    first, other = [[(c.arrived, c.finished) for c in s.calls] for s in (slow, provider)]
    assert any(a < d and c < b for a, b in first for c, d in other if b and d)


def test_one_at_a_time_asks_each_model_once_it_is_loaded(slow: Provider) -> None:
    recipe = limited(slow, "a", "b", "c", "a", "b", "c", one_at_a_time=True)
    asyncio.run(graph_of(recipe).ainvoke(HI))
    assert slow.max_in_flight == 1
    loaded = [model for model, _ in groupby(call.model for call in slow.calls)]
    assert sorted(loaded) == ["a", "agg", "b", "c"]


def test_waiting_for_a_place_is_not_taken_from_the_timeout(slow: Provider) -> None:
    slow.latency = 0.3
    recipe = limited(
        slow, "a", "b", "c", "d", one_at_a_time=True, defaults={"timeout": 0.9, "attempts": 1}
    )
    seats = asyncio.run(graph_of(recipe).ainvoke(HI))["layers"]["1"]
    assert {record["kind"] for record in seats.values()} == {"ok"}


def test_waiting_for_a_rate_is_not_taken_from_the_timeout(slow: Provider) -> None:
    recipe = limited(
        slow,
        *("a", "b", "c", "d"),
        limits={"vllm": {"requests_per_second": 2}},
        defaults={"timeout": 0.9, "attempts": 1},
    )
    seats = asyncio.run(graph_of(recipe).ainvoke(HI))["layers"]["1"]
    assert {record["kind"] for record in seats.values()} == {"ok"}
    arrived = [call.arrived for call in slow.calls]
    assert arrived[-1] - arrived[0] >= 1.0


def test_tokens_a_minute_hold_calls_back(slow: Provider) -> None:
    limits = {"vllm": {"tokens_per_minute": 6000}}
    recipe = limited(slow, "a", "b", limits=limits, defaults={"max_tokens": 5950})
    seats = asyncio.run(graph_of(recipe).ainvoke(HI))["layers"]["1"]
    assert {record["kind"] for record in seats.values()} == {"ok"}
    first, second, *_ = slow.calls
    assert second.arrived >= first.finished  # type: ignore[operator]


def test_a_run_that_is_given_up_frees_its_places(slow: Provider) -> None:
    slow.script("a", Always(Hang()))
    limits = {"vllm": {"max_concurrency": 1}}

    async def scene() -> Any:
        stuck = asyncio.create_task(graph_of(limited(slow, "a", "a", limits=limits)).ainvoke(HI))
        while not slow.calls:
            await asyncio.sleep(0.01)
        stuck.cancel()
        await asyncio.wait([stuck])
        return await graph_of(limited(slow, "b", limits=limits)).ainvoke(HI)

    assert asyncio.run(scene())["layers"]["1"]["01"]["ok"]


def test_who_is_cut_off_while_waiting_was_never_asked(slow: Provider) -> None:
    slow.script("b", Always(Hang()))
    recipe = limited(slow, "a", "b", "c", limits={"vllm": {"max_concurrency": 1}})
    said = recipe.resolved()
    said["layers"][0] |= {"grace": 0.3, "quorum": 1}
    seats = asyncio.run(graph_of(Recipe.model_validate(said)).ainvoke(HI))["layers"]["1"]
    assert seats["01"]["ok"]
    assert [seats[seat]["kind"] for seat in ("02", "03")] == ["timeout", "timeout"]
    assert [call.model for call in slow.calls] == ["a", "b", "agg"]
