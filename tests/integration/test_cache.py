import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import UsageError, ask, replay
from moagraph.graphs.recipe.schema import Recipe, with_cache
from moagraph.nodes.storage import answer_cache
from moagraph.nodes.storage.data_dir import data_folder
from tests.faults import Always, ContentFilter, Empty, Hang, Slow, Status
from tests.mixtures import graph_of, mixture, one_layer
from tests.provider import Provider
from tests.terminal import moa, saved

HI = {"messages": [("user", "hi")]}
SIX = mixture([{"model": "openai:a", "count": 6}])
PRICED = {"model": "openai:a", "price": {"input": 1, "output": 1}}


def asked(provider: Provider) -> list[str]:
    return sorted(call.model for call in provider.calls)


def test_what_was_asked_before_is_answered_without_a_call(provider: Provider) -> None:
    recipe = mixture([PRICED, "openai:b"], ["openai:c"])
    first = ask("hi", recipe, cache=True)
    before = len(provider.calls)
    again = ask("hi", recipe, cache=True)
    assert len(provider.calls) == before == 4
    assert again.answer == first.answer
    assert again.usage == {"input_tokens": 0, "output_tokens": 0, "calls": 0}
    assert again.cost_usd == 0.0
    [one, other] = [result.layers[0]["proposals"][0] for result in (first, again)]
    assert (one["cached"], one["attempts"]) == (False, 1)
    assert (other["cached"], other["attempts"], other["cost_usd"]) == (True, 0, 0.0)
    assert (other["text"], other["answered_by"]) == (one["text"], one["answered_by"])
    assert [step["cached"] for step in again.steps if "model" in step] == [True]


def test_six_samples_of_one_model_stay_six(provider: Provider) -> None:
    results = [ask("hi", SIX, cache=True) for _ in range(2)]
    texts = [[p["text"] for p in result.layers[0]["proposals"]] for result in results]
    assert len(set(texts[0])) == 6
    assert texts[1] == texts[0]
    assert len(provider.calls) == 7


def test_without_being_asked_for_nothing_is_kept(provider: Provider) -> None:
    for _ in range(2):
        ask("hi", SIX)
    assert len(provider.calls) == 14
    assert not (data_folder() / "cache.sqlite").exists()


@pytest.mark.parametrize(("value", "sent"), [("1", 2), ("0", 4), ("", 4)])
def test_the_environment_turns_it_on(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, value: str, sent: int
) -> None:
    monkeypatch.setenv("MOA_CACHE", value)
    for _ in range(2):
        graph_of(mixture(["openai:a"])).invoke(HI)
    assert len(provider.calls) == sent


def test_a_recipe_has_the_last_word(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOA_CACHE", "1")
    for _ in range(2):
        graph_of(mixture(["openai:a"], cache=False)).invoke(HI)
    assert len(provider.calls) == 4


@pytest.mark.parametrize("fault", [Status(400), Empty(), ContentFilter()], ids=str)
def test_a_failure_is_never_kept(provider: Provider, fault: Any) -> None:
    provider.script("a", fault)
    recipe = mixture(["openai:a", "openai:b"])
    kinds = [ask("hi", recipe, cache=True).layers[0]["proposals"][0]["ok"] for _ in range(2)]
    assert kinds == [False, True]
    assert asked(provider) == ["a", "a", "agg", "agg", "b"]


def test_a_substitutes_answer_is_its_own(provider: Provider) -> None:
    provider.script("a", Always(Status(400)))
    recipe = mixture([{"model": "openai:a", "fallbacks": ["openai:sub"]}])
    first, again = [ask("hi", recipe, cache=True) for _ in range(2)]
    assert asked(provider) == ["a", "a", "agg", "sub"]
    record = again.layers[0]["proposals"][0]
    assert (record["kind"], record["cached"], record["attempts"]) == ("substituted", True, 1)
    assert record["answered_by"] == "openai:sub"
    assert again.answer == first.answer


def test_who_was_cut_off_is_not_kept(provider: Provider) -> None:
    provider.script("b", Hang())
    recipe = one_layer("openai:a", "openai:b", grace=0.05)
    first = ask("hi", recipe, cache=True)
    assert first.layers[0]["proposals"][1]["kind"] == "timeout"
    assert answer_cache.size()[0] == 2


def test_a_seat_that_is_asked_again_is_really_asked(provider: Provider) -> None:
    saver = InMemorySaver()
    ask("hi", mixture(["openai:a", "openai:b"]), thread="t", threads=saver, cache=True)
    result = replay("t", saver, again=["1.01"])
    assert asked(provider) == ["a", "a", "agg", "agg", "b"]
    assert result.layers[0]["proposals"][0]["text"] == "a says: this is answer number 2."


def test_what_was_kept_is_streamed_at_once(provider: Provider) -> None:
    graph = graph_of(with_cache(mixture(["openai:a"])))

    async def heard() -> dict[str, str]:
        texts: dict[str, str] = {}
        async for message, at in graph.astream(HI, stream_mode="messages"):
            node = at["langgraph_node"]
            texts[node] = texts.get(node, "") + message.text
        return texts

    first, again = asyncio.run(heard()), asyncio.run(heard())
    assert first == again
    assert len(again) == 2
    assert len(provider.calls) == 2


def test_a_second_turn_that_is_answered_from_the_cache_is_a_message_of_its_own(
    provider: Provider,
) -> None:
    saver, recipe = InMemorySaver(), mixture(["openai:a"])
    config = {"configurable": {"thread_id": "t"}}
    for _ in range(2):
        graph = graph_of(with_cache(recipe), checkpointer=saver)
        state = graph.invoke(HI, config)
    assert [message.type for message in state["messages"]] == ["human", "ai", "human", "ai"]


def test_several_runs_at_once_fill_and_read_it(provider: Provider) -> None:
    graph = graph_of(with_cache(SIX))

    async def many() -> list[Any]:
        return list(await asyncio.gather(*(graph.ainvoke(HI) for _ in range(4))))

    asyncio.run(many())
    before = len(provider.calls)
    texts = [
        [record["text"] for record in state["layers"]["1"].values()]
        for state in asyncio.run(many())
    ]
    assert texts == [texts[0]] * 4
    assert all(call.model == "agg" for call in provider.calls[before:])


def test_a_file_that_cannot_be_used_is_told_before_any_call(provider: Provider) -> None:
    (data_folder() / "cache.sqlite").write_bytes(b"this is no database, " * 100)
    with pytest.raises(UsageError, match="cannot use"):
        ask("hi", mixture(["openai:a"]), cache=True)
    assert provider.calls == []


def test_a_recipe_keeps_what_it_says_of_the_cache() -> None:
    assert with_cache(mixture(["openai:a"])).resolved()["cache"] is True
    assert "cache" not in mixture(["openai:a"]).resolved()
    assert Recipe.model_validate(mixture(["openai:a"], cache=False).resolved()).cache is False


def test_the_command_answers_from_it_tells_of_it_and_clears_it(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("agg", "the answer of all")
    text = "[[layers]]\nproposers = ['openai:a']\n"
    file = saved(tmp_path, text + "aggregate = { step = 'synthesize', model = 'openai:agg' }\n")
    for _ in range(2):
        done = moa("ask", "--cache", "--recipe", file, "hi")
        assert (done.code, done.out) == (0, "the answer of all\n")
    assert len(provider.calls) == 2
    assert "0 calls" in done.err
    told = json.loads(moa("cache", "--json").out)
    assert (told["answers"], told["file"]) == (2, str(data_folder() / "cache.sqlite"))
    assert moa("cache", "clear").err == "moa: 2 answers forgotten\n"
    assert moa("cache").out.startswith("0 answers, 0.0 kB, in ")
    moa("ask", "--recipe", file, "hi")
    assert json.loads(moa("cache", "--json").out)["answers"] == 0


def test_a_slow_model_is_not_waited_for_twice(provider: Provider) -> None:
    provider.script("a", Slow(0.3), Always(Hang()))
    for _ in range(2):
        result = ask("hi", mixture([{"model": "openai:a", "timeout": 20}]), cache=True)
        assert result.layers[0]["proposals"][0]["ok"]
