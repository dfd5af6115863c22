import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import Client
from langsmith.run_helpers import tracing_context

from moagraph import MoaError, ask
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import model
from moagraph.threads.open import open_threads
from tests.faults import Always, MidStreamError, Status
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

KEY = "sk-canary-7f3a9c51"
HI = {"messages": [("user", "hi")]}
ECHO = f"Incorrect API key provided: {KEY}. Header was 'Bearer {KEY}'."
ways = pytest.mark.parametrize("way", ["whole", "stream"])
RECIPES = {
    "well": ["openai:a", "together:b"],
    "its own key": ["openai:a", {"model": "x:b", "api_key_env": "CANARY"}],
}


@pytest.fixture
def keyed(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Every key there is, is the canary; and the server is fond of repeating it."""
    for name in ("OPENAI_API_KEY", "TOGETHER_API_KEY", "CANARY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("MOA_KEY_ADDRESSES", f"CANARY={provider.base_url}")
    provider.script("echo", Always(Status(401, message=ECHO)))
    provider.script("late", Always(MidStreamError(ECHO)))
    yield provider
    assert any(call.headers["authorization"] == f"Bearer {KEY}" for call in provider.calls)


def leaky(provider: Provider) -> Any:
    """A recipe with seats that are well, that are refused with the key, and with one of its own."""
    own = {"model": "x:c", "base_url": provider.base_url, "api_key_env": "CANARY"}
    return mixture(["openai:a", "together:b", own, "openai:echo", "together:echo", "openai:late"])


def everything(graph: Any, way: str, *config: Any) -> list[Any]:
    """All that a run streams, and its end."""
    modes = ["values", "updates", "debug", "tasks", "checkpoints"]

    async def collect() -> list[Any]:
        how = [*modes, "messages"] if way == "stream" else modes
        return [piece async for piece in graph.astream(HI, *config, stream_mode=how)]

    return asyncio.run(collect())


@ways
def test_no_key_is_in_the_state_or_in_anything_streamed(keyed: Provider, way: str) -> None:
    told = everything(graph_of(leaky(keyed)), way)
    state = [data for mode, data in told if mode == "values"][-1]
    assert [p["ok"] for p in state["layers"]["1"].values()] == [True] * 3 + [False] * 3
    assert KEY not in repr(told)
    assert "***" in state["layers"]["1"]["04"]["error"]


@ways
def test_no_key_is_in_the_bytes_of_a_checkpoint(
    keyed: Provider, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open_threads() as threads:
        graph = graph_of(leaky(keyed), checkpointer=threads)
        told = everything(graph, way, {"configurable": {"thread_id": "t"}})
        assert KEY not in repr(told)
        assert KEY not in repr(list(graph.get_state_history({"configurable": {"thread_id": "t"}})))
    folder = tmp_path / "home"
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.stat().st_size > 1000 for file in files)
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
    with sqlite3.connect(folder / "threads.sqlite") as database:
        assert KEY not in "\n".join(database.iterdump())
    database.close()


def test_no_key_is_in_an_error(keyed: Provider) -> None:
    for seats, aggregator in ((["openai:echo"], "openai:agg"), (["openai:a"], "together:echo")):
        with pytest.raises(MoaError) as caught:
            graph_of(mixture(seats, aggregator=aggregator)).invoke(HI)
        assert "***" in str(caught.value)
        error: BaseException | None = caught.value
        while error:
            assert KEY not in repr(error) + str(error)
            error = error.__cause__ or error.__context__
        result = ask("hi", mixture(seats, aggregator=aggregator))
        assert result.status == "failed"
        assert KEY not in json.dumps(result.as_json())


def test_no_key_is_in_a_model_or_in_a_drawing(keyed: Provider) -> None:
    recipe = leaky(keyed)

    async def shown() -> str:
        chats = [await model(Call(model=name)) for name in ("openai:a", "together:b")]
        return "".join(f"{chat!r}{chat!s}{chat.model_dump()!r}{chat.to_json()}" for chat in chats)

    graph = graph_of(recipe)
    graph.invoke(HI)
    drawn = json.dumps(graph.get_graph().to_json()) + graph.get_graph().draw_mermaid()
    assert KEY not in asyncio.run(shown()) + drawn + repr(recipe) + json.dumps(recipe.resolved())
    assert KEY not in json.dumps(graph.get_input_jsonschema())


@ways
def test_no_key_is_in_a_trace(keyed: Provider, way: str) -> None:
    session = MagicMock()
    client = Client(
        api_url="http://test.invalid", api_key="x", session=session, info={},
        auto_batch_tracing=False,
    )  # fmt: skip
    with tracing_context(client=client, enabled=True):
        everything(graph_of(leaky(keyed)), way)
    wait_for_all_tracers()
    posted = [repr(call) for call in session.request.call_args_list]
    assert any("L1_04_echo" in text for text in posted)
    assert any("401" in text for text in posted)
    leaks = [
        text[max(0, text.find(KEY) - 3000) : text.find(KEY) + 100] for text in posted if KEY in text
    ]
    assert not leaks, leaks[0]


@pytest.mark.parametrize(("model", "told"), [("vllm:a", None), ("openai:a", "org-of-mine")])
def test_only_openai_hears_whose_organisation_it_is(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, model: str, told: str | None
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    base_url = {"base_url": provider.base_url} if model.startswith("vllm") else {}
    step = {"step": "synthesize", "model": model, **base_url}
    layers = [{"proposers": [{"model": model, **base_url}], "aggregate": step}]
    ask("why?", Recipe.model_validate({"name": "one", "layers": layers}))
    assert [call.headers.get("openai-organization") for call in provider.calls] == [told, told]
    asked = {call.headers.get("openai-project") for call in provider.calls}
    assert (asked == {None}) is (told is None)
