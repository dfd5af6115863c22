"""What a budget counts beside good answers, and what it reports where it was exceeded."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph.api.ask import aask
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import OverBudget, StepFailed
from moagraph.nodes.models import event_loops
from moagraph.threads.events import SilentObserver
from moagraph.threads.open import Threads
from tests.faults import Always, Endless, Hang, MidStreamError, Reset, Slow, Status
from tests.mixtures import graph_of, mixture, one_layer
from tests.provider import Provider
from tests.raw import body_of, events_of, stream, whole
from tests.terminal import moa, until

PRICED = {"price": {"input": 1.0, "output": 2.0}, "attempts": 1}
THREAD: Any = {"configurable": {"thread_id": "t"}}
QUESTION: Any = {"messages": [("user", "why?")]}
LONG = "because " * 15_000


def seat(name: str, **more: Any) -> dict[str, Any]:
    return {"model": f"openai:{name}", **PRICED, **more}


def failing(budget: dict[str, Any]) -> Recipe:
    """Three calls a turn, of which the last fails."""
    return mixture(["openai:a", "openai:b"], budget=budget)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_last_step_that_fails_counts_against_the_thread(provider: Provider, way: str) -> None:
    provider.script("agg", Always(Status(400)))
    graph = graph_of(failing({"thread": {"max_calls": 6}}), checkpointer=InMemorySaver())

    def turn() -> None:
        if way == "invoke":
            graph.invoke(QUESTION, THREAD)
        else:
            event_loops.run(graph.ainvoke(QUESTION, THREAD))

    for calls in (3, 6):
        with pytest.raises(StepFailed):
            turn()
        assert len(provider.calls) == calls
    for _ in range(4):
        with pytest.raises(OverBudget, match="the thread's budget, max_calls = 6"):
            turn()
    assert len(provider.calls) == 6


async def test_a_thread_that_is_kept_counts_them_too(provider: Provider, threads: Threads) -> None:
    provider.script("agg", Always(Status(400)))
    recipe = failing({"thread": {"max_calls": 6}})
    for _ in range(2):
        came = await aask("why?", recipe, thread="t", threads=threads)
        assert came.status == "failed"
    for _ in range(2):
        with pytest.raises(OverBudget):
            await aask("why?", recipe, thread="t", threads=threads)
    assert len(provider.calls) == 6


@pytest.mark.parametrize("scope", ["turn", "thread"])
def test_a_step_is_not_repeated_beyond_the_budget(provider: Provider, scope: str) -> None:
    provider.script("agg", Always(Status(400)))
    limits = {"max_calls": 5}
    recipe = failing(limits if scope == "turn" else {"thread": limits})
    graph = graph_of(recipe, checkpointer=InMemorySaver())
    for given in (QUESTION, None, None):
        with pytest.raises(StepFailed):
            graph.invoke(given, THREAD)
    with pytest.raises(OverBudget, match=f"another try would break the {scope}'s budget"):
        graph.invoke(None, THREAD)
    assert len(provider.calls) == 5


def test_what_failed_before_a_retry_counts_in_the_next_turn(provider: Provider) -> None:
    provider.script("agg", Status(400), Status(400))
    graph = graph_of(failing({"thread": {"max_calls": 6}}), checkpointer=InMemorySaver())
    for given in (QUESTION, None):
        with pytest.raises(StepFailed):
            graph.invoke(given, THREAD)
    graph.invoke(None, THREAD)
    assert len(provider.calls) == 5
    graph.invoke(QUESTION, THREAD)
    assert [call.model for call in provider.calls[5:]] == ["agg"]
    with pytest.raises(OverBudget):
        graph.invoke(QUESTION, THREAD)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_missing_usage_counts_by_the_text(provider: Provider, streamed: bool) -> None:
    """Each answer has 100 tokens, so only one of the layers fits beside the last step."""
    text = "abcd" * 100
    told = stream(events_of([text], usage=None)) if streamed else whole(body_of(text, usage=None))
    for name in "abc":
        provider.script(name, Always(told))
    layers = [[seat(name, max_tokens=100)] for name in "abc"]
    recipe = mixture(*layers, aggregator=seat("agg", max_tokens=100), budget={"max_tokens": 700})
    watch = SilentObserver() if streamed else None
    came = asyncio.run(aask("why?", recipe, watch=watch))
    assert [call.model for call in provider.calls] == ["a", "agg"]
    first = came.layers[0]["proposals"][0]
    assert first["output_tokens"] == 100
    assert first["estimated"] is True
    assert came.usage["estimated"] is True
    assert came.cost_usd is not None


@pytest.mark.parametrize("watch", [None, SilentObserver()])
def test_a_stream_that_ignores_its_length_is_closed(
    provider: Provider, watch: SilentObserver | None
) -> None:
    provider.script("a", Always(Endless()))
    recipe = one_layer(
        seat("a", max_tokens=100),
        aggregator=seat("agg", max_tokens=100),
        budget={"max_tokens": 900},
    )
    came = asyncio.run(aask("why?", recipe, watch=watch))
    assert came.status == "done"
    [long] = came.layers[0]["proposals"]
    assert long["kind"] == "truncated"
    assert 264 < (long["output_tokens"] or 0) < 300
    assert long["warnings"] == [
        "stopped after about 264 tokens: the model went on beyond `max_tokens` = 100"
    ]
    until_aborted(provider, "a")
    assert came.usage["input_tokens"] + came.usage["output_tokens"] <= 900
    assert came.over_budget == []


def until_aborted(provider: Provider, model: str) -> None:
    [call] = [call for call in provider.calls if call.model == model]
    until(lambda: call.aborted)


def test_a_stream_without_a_length_ends_with_its_share_of_the_budget(provider: Provider) -> None:
    provider.script("a", Always(Endless()))
    recipe = one_layer(
        seat("a"), aggregator=seat("agg", max_tokens=100), budget={"max_tokens": 4_000}
    )
    came = asyncio.run(aask("why?", recipe))
    [long] = came.layers[0]["proposals"]
    assert 2_000 <= (long["output_tokens"] or 0) <= 2_050
    assert long["warnings"] == [
        "stopped after about 2000 tokens: the model went on beyond the budget"
    ]
    assert came.over_budget == []


def test_an_answer_that_could_not_be_stopped_is_reported(provider: Provider) -> None:
    """The provider streams nothing: its whole answer is there at once."""
    provider.script("a", Always(whole(body_of(LONG, usage=None))))
    recipe = one_layer(
        seat("a", max_tokens=100),
        aggregator=seat("agg", max_tokens=100),
        budget={"max_tokens": 900, "thread": {"max_tokens": 100_000}},
    )
    came = asyncio.run(aask("why?", recipe))
    [entry] = came.as_json()["over_budget"]
    assert (entry["scope"], entry["limit"], entry["allowed"]) == ("turn", "max_tokens", 900)
    used = came.usage["input_tokens"] + came.usage["output_tokens"]
    assert entry["used"] == used > 900
    assert entry["why"] == ["`openai:a` wrote 30,000 tokens where 100 were expected"]


def test_the_command_line_says_by_how_much_and_why(provider: Provider, tmp_path: Any) -> None:
    provider.script("a", Always(whole(body_of(LONG, usage=None))))
    (tmp_path / "mix.toml").write_text(
        "[budget]\nmax_tokens = 900\n[defaults]\nmax_tokens = 100\n[[layers]]\n"
        'proposers = ["openai:a"]\naggregate = { step = "synthesize", model = "openai:agg" }\n'
    )
    done = moa("ask", "--recipe", str(tmp_path / "mix.toml"), "why?")
    assert done.code == 0
    [line] = [line for line in done.lines if "is exceeded by" in line]
    assert line.startswith("moa: the turn's budget, max_tokens = 900, is exceeded by ")
    assert line.endswith(": `openai:a` wrote 30,000 tokens where 100 were expected")


def test_a_run_within_its_budget_reports_nothing(provider: Provider) -> None:
    came = asyncio.run(aask("why?", one_layer("openai:a", budget={"max_tokens": 100_000})))
    assert "over_budget" not in came.as_json()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_is_cut_off_by_grace_costs_its_prompt(
    provider: Provider, streamed: bool
) -> None:
    provider.script("slow", Always(Hang()))
    recipe = one_layer(seat("a"), seat("slow"), aggregator=seat("agg"), quorum=1, grace=0.05)
    came = asyncio.run(aask("why?", recipe, watch=SilentObserver() if streamed else None))
    [_, slow] = came.layers[0]["proposals"]
    assert (slow["kind"], slow["attempts"]) == ("timeout", 1)
    assert (slow["input_tokens"] or 0) > 0
    assert (slow["cost_usd"] or 0) > 0
    assert slow["estimated"] is True
    assert came.usage["calls"] == 3


def test_what_a_cut_off_stream_has_said_is_counted(provider: Provider) -> None:
    """Both seats are asked at once, and the other answers only when the stream has begun."""
    provider.script("endless", Always(Endless()))
    provider.script("a", Always(Slow(0.5)))
    recipe = one_layer(seat("a"), seat("endless"), aggregator=seat("agg"), quorum=1, grace=0.05)
    came = asyncio.run(aask("why?", recipe, watch=SilentObserver()))
    [_, endless] = came.layers[0]["proposals"]
    assert (endless["ok"], endless["attempts"]) == (False, 1)
    assert (endless["output_tokens"] or 0) > 0


def test_the_attempts_before_the_one_that_is_cut_off_count_too(provider: Provider) -> None:
    provider.script("slow", Status(500), Always(Hang()))
    provider.script("a", Always(Slow(1.5)))
    recipe = one_layer(
        seat("a"), seat("slow", attempts=3), aggregator=seat("agg"), quorum=1, grace=0.05
    )
    came = asyncio.run(aask("why?", recipe))
    assert came.layers[0]["proposals"][1]["attempts"] == 2
    assert came.usage["calls"] == len(provider.calls) == 4


def test_the_loser_of_a_hedge_is_counted(provider: Provider) -> None:
    provider.script("slow", Always(Hang()))
    recipe = one_layer(
        seat("a"),
        seat("slow", fallbacks=[{"model": "openai:quick", **PRICED}]),
        aggregator=seat("agg"),
        hedge_after=0.05,
    )
    came = asyncio.run(aask("why?", recipe))
    hedged = came.layers[0]["proposals"][1]
    assert (hedged["kind"], hedged["attempts"]) == ("substituted", 2)
    assert came.usage["calls"] == len(provider.calls) == 4
    assert hedged["estimated"] is True


CHARGED = {
    "a timeout": (Hang(), {"timeout": 0.2}, True),
    "a stream that breaks": (MidStreamError(), {}, True),
    "a refusal": (Status(400), {}, False),
    "a rate limit": (Status(429), {}, False),
    "a server error": (Status(500), {}, False),
    "a connection that is reset": (Reset(), {}, False),
}


@pytest.mark.parametrize("name", CHARGED)
def test_a_failed_call_costs_where_a_model_has_read_it(provider: Provider, name: str) -> None:
    fault, more, is_charged = CHARGED[name]
    provider.script("b", Always(fault))
    recipe = one_layer(seat("a"), seat("b", **more), aggregator=seat("agg"))
    came = asyncio.run(aask("why?", recipe, watch=SilentObserver()))
    [_, failed] = came.layers[0]["proposals"]
    assert (failed["ok"], failed["attempts"]) == (False, 1)
    assert bool(failed["input_tokens"]) is is_charged
    assert bool(failed["cost_usd"]) is is_charged
    assert came.usage["calls"] == 3


def test_every_call_that_was_sent_is_in_the_bill(provider: Provider) -> None:
    """Attempts that fail, substitutes, and a step that asks twice."""
    provider.script("a", Status(500), Status(500), Status(500))
    provider.script("b", Always(Status(400)))
    recipe = one_layer(
        seat("a", attempts=3, fallbacks=["openai:sub"]), seat("b"), aggregator=seat("agg")
    )
    came = asyncio.run(aask("why?", recipe))
    assert came.status == "done"
    assert came.usage["calls"] == len(provider.calls)
