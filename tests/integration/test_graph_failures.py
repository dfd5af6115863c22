import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import MissingKey, QuorumFailed, StepFailed, UnknownName, UsageError, ask
from tests.faults import Always, Hang, Slow, Status
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

HI = {"messages": [("user", "hi")]}
ways = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


def run(graph: Any, way: str, config: Any = None, given: Any = HI) -> Any:
    if way == "invoke":
        return graph.invoke(given, config)
    return asyncio.run(graph.ainvoke(given, config))


@ways
def test_a_fast_failure_cancels_no_sibling(provider: Provider, way: str) -> None:
    provider.script("bad", Status(400, message="no luck"))
    provider.script("slow", Slow(0.3))
    state = run(graph_of(mixture(["openai:bad", "openai:slow", "openai:b"])), way)
    seats = state["layers"]["1"]
    assert [seats[seat]["ok"] for seat in ("01", "02", "03")] == [False, True, True]
    assert (seats["01"]["kind"], seats["01"]["text"]) == ("refused", "")
    assert "no luck" in seats["01"]["error"]
    assert not any(call.aborted for call in provider.calls)


@ways
def test_a_layer_without_an_answer_stops_the_run_in_one_line(provider: Provider, way: str) -> None:
    provider.script("a", Status(400, message="first\nreason"))
    provider.script("b", Status(404, message="second reason"))
    with pytest.raises(QuorumFailed) as caught:
        run(graph_of(mixture(["openai:a", "together:b"], ["openai:c"])), way)
    assert str(caught.value) == (
        "layer 1 has 0 usable answers of 2, and needs 1 "
        "(01 openai:a: 400: first reason; 02 together:b: 404: second reason)"
    )
    assert {call.model for call in provider.calls} == {"a", "b"}


def test_a_quorum_counts_usable_answers(provider: Provider) -> None:
    layer = {
        "proposers": ["openai:a", "openai:b", "openai:c"],
        "quorum": 2,
        "aggregate": {"step": "synthesize", "model": "openai:agg"},
    }
    from moagraph.graphs.recipe.schema import Recipe

    recipe = Recipe.model_validate({"name": "q", "layers": [layer]})
    provider.script("a", Status(400))
    assert run(graph_of(recipe), "invoke")["messages"][-1].text.startswith("agg says")
    provider.script("a", Status(400))
    provider.script("b", Status(400))
    with pytest.raises(QuorumFailed, match="layer 1 has 1 usable answers of 3, and needs 2"):
        run(graph_of(recipe), "invoke")


@ways
def test_a_failing_aggregator_fails_the_run_and_no_proposal_is_the_answer(
    provider: Provider, way: str
) -> None:
    provider.script("agg", Status(400, message="no luck"))
    graph = graph_of(mixture(["openai:a"]), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(StepFailed) as caught:
        run(graph, way, config)
    told = "`L1_synthesize` got no answer from `openai:agg`: 400: no luck"
    assert str(caught.value) == told
    state = graph.get_state(config)
    assert [message.type for message in state.values["messages"]] == ["human"]
    assert state.values["layers"]["1"]["01"]["ok"]
    assert state.next == ("L1_synthesize",)


def test_ask_tells_a_failed_run_and_keeps_what_it_has(provider: Provider) -> None:
    provider.script("agg", Status(400, message="no luck"))
    result = ask("hi", mixture(["openai:a"]))
    assert (result.status, result.answer) == ("failed", "")
    assert "no luck" in (result.error or "")
    assert result.layers[0]["proposals"][0]["ok"]
    assert result.as_json()["error"] == result.error


def test_a_failed_aggregator_is_asked_again_and_no_proposer_is(provider: Provider) -> None:
    provider.script("agg", Status(400))
    graph = graph_of(mixture(["openai:a", "openai:b"]), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(StepFailed):
        graph.invoke(HI, config)
    assert graph.invoke(None, config)["messages"][-1].text.startswith("agg says")
    assert sorted(call.model for call in provider.calls) == ["a", "agg", "agg", "b"]


def test_a_cancelled_run_hangs_up_on_its_provider(provider: Provider) -> None:
    provider.script("a", Always(Hang()))

    async def impatient() -> None:
        async with asyncio.timeout(0.5):
            await graph_of(mixture(["openai:a", "openai:b"])).ainvoke(HI)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    (hung,) = [call for call in provider.calls if call.model == "a"]
    asyncio.run(asyncio.sleep(0.1))
    assert hung.aborted


REFUSED = {
    "nothing": ([], "there is no question: the conversation must end with a user's message"),
    "an answer last": (
        [("user", "hi"), ("assistant", "yes?")],
        "there is no question: the conversation must end with a user's message",
    ),
    "white space": ([("user", " \n\t ")], "the question is empty: ask something"),
    "half an emoji": (
        [("user", "why \ud83d?")],
        "the question is not Unicode text: it holds half of a character",
    ),
    "5 MB": (
        [("user", "x" * 5_000_000)],
        "the question has 5,000,000 characters, and at most 1,000,000 are sent: shorten it",
    ),
}


@ways
@pytest.mark.parametrize(("messages", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_question_is_refused_before_any_call(
    provider: Provider, way: str, messages: Any, message: str
) -> None:
    graph = graph_of(mixture(["openai:a"]), checkpointer=InMemorySaver())
    with pytest.raises(UsageError) as caught:
        run(graph, way, {"configurable": {"thread_id": "t"}}, {"messages": messages})
    assert str(caught.value) == message
    assert provider.calls == []


@ways
def test_a_missing_key_is_told_before_any_call(
    provider: Provider, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(MissingKey, match="TOGETHER_API_KEY is not set"):
        run(graph_of(mixture(["openai:a"], ["together:b"])), way)
    assert provider.calls == []


def test_an_unknown_provider_is_told_before_any_call(provider: Provider) -> None:
    with pytest.raises(UnknownName, match="did you mean `together:`"):
        run(graph_of(mixture(["openai:a", "togehter:b"])), "invoke")
    assert provider.calls == []
