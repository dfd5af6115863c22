import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import ask, replay, retry
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.policies.latency import MIN_SAMPLES, load_latencies, record_latency
from tests.faults import Always, Hang, Slow, Status
from tests.mixtures import graph_of, mixture, one_layer
from tests.provider import Call, Provider

HI = {"messages": [("user", "hi")]}
SEATS = ["openai:a", "openai:b", "openai:c"]
CUT = "cut off 0.05 s after 2 usable answers were in"
ways = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


def run(recipe: Recipe, way: str) -> dict[str, Any]:
    graph = graph_of(recipe)
    state = graph.invoke(HI) if way == "invoke" else asyncio.run(graph.ainvoke(HI))
    seats: dict[str, Any] = state["layers"]["1"]
    return seats


def calls(provider: Provider, model: str) -> list[Call]:
    return [call for call in provider.calls if call.model == model]


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def hung_up(provider: Provider, model: str) -> None:
    """The provider learns of it a moment later, in a thread of its own."""
    until(lambda: all(call.aborted for call in calls(provider, model)))


@ways
def test_a_straggler_is_cut_off_once_the_quorum_is_in(provider: Provider, way: str) -> None:
    provider.script("c", Always(Hang()))
    seats = run(one_layer(*SEATS, quorum=2, grace=0.05), way)
    assert [seats[seat]["kind"] for seat in ("01", "02", "03")] == ["ok", "ok", "timeout"]
    assert (seats["03"]["error"], seats["03"]["text"]) == (CUT, "")
    assert seats["03"]["seconds"] >= 0.05
    hung_up(provider, "c")
    [agg] = calls(provider, "agg")
    assert "a says" in agg.messages[0]["content"]
    assert "cut off" not in str(agg.messages)


@ways
def test_who_comes_within_the_grace_is_heard(provider: Provider, way: str) -> None:
    provider.script("c", Slow(0.2))
    seats = run(one_layer(*SEATS, quorum=2, grace=20), way)
    assert [seats[seat]["ok"] for seat in ("01", "02", "03")] == [True, True, True]


@ways
@pytest.mark.parametrize("rules", [{}, {"quorum": 1}, {"quorum": 2, "hedge_after": 0.05}], ids=str)
def test_with_no_grace_all_are_waited_for(
    provider: Provider, way: str, rules: dict[str, Any]
) -> None:
    provider.script("c", Slow(0.4))
    seats = run(one_layer(*SEATS, **rules), way)
    assert [seats[seat]["kind"] for seat in ("01", "02", "03")] == ["ok", "ok", "ok"]
    assert not any(call.aborted for call in provider.calls)


@ways
def test_a_failure_does_not_count_towards_the_quorum(provider: Provider, way: str) -> None:
    provider.script("a", Status(400))
    provider.script("c", Slow(0.4))
    seats = run(one_layer(*SEATS, quorum=2, grace=0), way)
    assert [seats[seat]["kind"] for seat in ("01", "02", "03")] == ["refused", "ok", "ok"]


@ways
def test_without_grace_time_the_rest_is_cut_off_at_once(provider: Provider, way: str) -> None:
    for model in ("b", "c"):
        provider.script(model, Always(Hang()))
    seats = run(one_layer(*SEATS, quorum=1, grace=0), way)
    assert seats["01"]["ok"]
    assert {seats[seat]["kind"] for seat in ("02", "03")} <= {"timeout", "skipped"}


@ways
def test_the_last_open_seat_is_asked_of_its_substitute(provider: Provider, way: str) -> None:
    provider.script("c", Always(Hang()))
    last = {"model": "openai:c", "fallbacks": ["together:sub"]}
    seats = run(one_layer("openai:a", "openai:b", last, hedge_after=0.05), way)
    record = seats["03"]
    assert (record["ok"], record["kind"]) == (True, "substituted")
    assert (record["model"], record["answered_by"]) == ("openai:c", "together:sub")
    assert record["text"].startswith("sub says")
    assert (record["attempts"], record["error"]) == (2, None)
    hung_up(provider, "c")


@ways
def test_the_first_good_answer_wins_and_the_substitute_is_hung_up_on(
    provider: Provider, way: str
) -> None:
    provider.script("c", Slow(0.6))
    provider.script("sub", Always(Hang()))
    last = {"model": "openai:c", "fallbacks": ["together:sub"]}
    record = run(one_layer("openai:a", last, hedge_after=0.05), way)["02"]
    assert (record["kind"], record["answered_by"], record["attempts"]) == ("ok", "c", 2)
    hung_up(provider, "sub")


def test_no_substitute_is_asked_while_two_seats_are_open(provider: Provider) -> None:
    provider.script("b", Slow(0.5))
    provider.script("c", Always(Hang()))
    last = {"model": "openai:c", "fallbacks": ["together:sub"]}
    run(one_layer("openai:a", "openai:b", last, hedge_after=0.05), "ainvoke")
    [b], [sub] = calls(provider, "b"), calls(provider, "sub")
    assert b.finished is not None
    assert sub.arrived >= b.finished


def test_a_substitute_that_is_asked_already_is_not_asked_again(provider: Provider) -> None:
    provider.script("c", Always(Hang()))
    provider.script("sub", Slow(1.0))
    sub = {"model": "together:sub", "timeout": 20}
    last = {"model": "openai:c", "fallbacks": [sub], "timeout": 0.5, "attempts": 1}
    record = run(one_layer("openai:a", last, hedge_after=0.05), "ainvoke")["02"]
    assert (record["kind"], record["attempts"]) == ("substituted", 2)
    assert len(calls(provider, "sub")) == 1


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_each_of_several_runs_has_a_race_of_its_own(provider: Provider, way: str) -> None:
    provider.script("c", *[None, Hang()] * 3, Always(Hang()))
    graph = graph_of(one_layer(*SEATS, quorum=2, grace=0.3))
    given = [{"messages": [("user", f"question {number}")]} for number in range(6)]
    states = graph.batch(given) if way == "batch" else asyncio.run(graph.abatch(given))
    kinds = sorted(state["layers"]["1"]["03"]["kind"] for state in states)
    assert kinds == ["ok"] * 3 + ["timeout"] * 3
    assert all(state["layers"]["1"]["01"]["ok"] for state in states)


def test_standing_answers_count_towards_the_quorum_of_a_retry(provider: Provider) -> None:
    recipe = one_layer(*SEATS, "openai:d", quorum=3, grace=0.05)
    for model in ("c", "d"):
        provider.script(model, Status(400))
    saver = InMemorySaver()
    assert ask("hi", recipe, thread="t", threads=saver).status == "failed"
    provider.script("d", Always(Hang()))
    result = retry("t", saver)
    assert result.status == "done"
    kinds = [p["kind"] for p in result.layers[0]["proposals"]]
    assert kinds == ["ok", "ok", "ok", "timeout"]
    assert [len(calls(provider, model)) for model in "abcd"] == [1, 1, 2, 2]


def test_a_seat_that_is_asked_again_is_waited_for(provider: Provider) -> None:
    saver = InMemorySaver()
    ask("hi", one_layer(*SEATS, quorum=2, grace=0), thread="t", threads=saver)
    provider.script("c", Slow(0.3))
    result = replay("t", saver, again=["1.03"])
    assert result.layers[0]["proposals"][2]["ok"]
    assert result.layers[0]["proposals"][2]["text"].startswith("c says")


def test_a_run_that_was_given_up_leaves_nothing_to_the_next(provider: Provider) -> None:
    provider.script("b", Hang())
    provider.script("c", Hang(), Always(Hang()))
    graph = graph_of(one_layer(*SEATS, quorum=2, grace=0.05), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}

    async def twice() -> Any:
        first = asyncio.create_task(graph.ainvoke(HI, config))
        await asyncio.to_thread(until, lambda: len(calls(provider, "c")) == 1)
        first.cancel()
        await asyncio.wait([first])
        return await graph.ainvoke({"messages": [("user", "again")]}, config)

    seats = asyncio.run(twice())["layers"]["1"]
    assert [seats[seat]["kind"] for seat in ("01", "02", "03")] == ["ok", "ok", "timeout"]


def test_a_run_that_goes_on_asks_only_who_had_not_answered(provider: Provider) -> None:
    provider.script("c", Hang())
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    graph = graph_of(one_layer(*SEATS, quorum=3, grace=0.05), checkpointer=saver)

    async def stopped() -> Any:
        run = asyncio.create_task(graph.ainvoke(HI, config))
        done = lambda: len([call for call in provider.calls if call.finished]) == 2  # noqa: E731
        await asyncio.to_thread(until, done)
        await asyncio.sleep(0.3)  # until their answers are kept
        run.cancel()
        await asyncio.wait([run])
        return await graph.ainvoke(None, config)

    seats = asyncio.run(stopped())["layers"]["1"]
    assert [seats[seat]["kind"] for seat in ("01", "02", "03")] == ["ok", "ok", "ok"]
    assert [len(calls(provider, model)) for model in "abc"] == [1, 1, 2]


def test_grace_is_learned_from_how_long_the_models_took(provider: Provider) -> None:
    recipe = one_layer(*SEATS, quorum=2, grace="auto")

    async def learned() -> Any:
        for model in SEATS:
            for _ in range(MIN_SAMPLES):
                await record_latency(recipe.name, model, 0.2)

    asyncio.run(learned())
    provider.script("c", Always(Hang()))
    record = run(recipe, "ainvoke")["03"]
    assert (record["kind"], record["ok"]) == ("timeout", False)
    assert record["error"].startswith("cut off 0.2 s after 2 usable answers")
    known = asyncio.run(load_latencies(recipe.name, SEATS))
    assert known["openai:c"].p95 > 0.2


def test_grace_waits_for_all_until_it_has_learned_enough(provider: Provider) -> None:
    recipe = one_layer(*SEATS, quorum=2, grace="auto")
    provider.script("c", Slow(0.3))
    assert {record["kind"] for record in run(recipe, "ainvoke").values()} == {"ok"}
    assert asyncio.run(load_latencies(recipe.name, SEATS)) == {}
    for _ in range(MIN_SAMPLES - 1):
        run(recipe, "invoke")
    assert set(asyncio.run(load_latencies(recipe.name, SEATS))) == set(SEATS)


def test_what_one_recipe_learned_is_not_anothers() -> None:
    async def learned() -> Any:
        for _ in range(MIN_SAMPLES):
            await record_latency("one", "openai:a", 1.0)
        return await load_latencies("one", ["openai:a"]), await load_latencies(
            "other", ["openai:a"]
        )

    one, other = asyncio.run(learned())
    assert (one["openai:a"].median, one["openai:a"].p95) == (1.0, 1.0)
    assert other == {}


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf"), "soon", True])
def test_a_grace_that_is_no_time_is_refused(grace: Any) -> None:
    with pytest.raises(ValueError, match='it is a number of seconds, 0 or more, or "auto"'):
        one_layer(*SEATS, grace=grace)


def test_a_recipe_without_rules_writes_no_history(provider: Provider) -> None:
    run(mixture(SEATS).model_copy(), "ainvoke")
    assert asyncio.run(load_latencies("mixture", SEATS)) == {}
