import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.faults import ContentFilter
from tests.provider import Call, Provider
from tests.serving import HI, Served, save, serving

TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
ways = pytest.mark.parametrize("way", ["whole", "stream"])


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    save()
    with serving() as served:
        yield served


def told(served: Served, way: str, **said: Any) -> tuple[str, str, list[Any]]:
    """The text, the reason to stop and the tools that were called, however it came."""
    if way == "whole":
        choice = served.ask(**said).choices[0]
        calls = [c.function for c in choice.message.tool_calls or ()]
        return choice.message.content or "", choice.finish_reason, calls
    choices = [chunk.choices[0] for chunk in served.stream(**said)]
    pieces = [c for choice in choices for c in choice.delta.tool_calls or ()]
    assert [choice.finish_reason for choice in choices[:-1]] == [None] * (len(choices) - 1)
    named = [piece.function for piece in pieces if piece.function.name]
    for function in named:
        function.arguments = "".join(p.function.arguments for p in pieces)
    text = "".join(choice.delta.content or "" for choice in choices)
    return text, choices[-1].finish_reason, named


def by_model(provider: Provider) -> dict[str, Call]:
    return {call.model: call for call in provider.calls}


def test_each_recipe_is_a_model(served: Served) -> None:
    with served.client() as client:
        listed = [model.id for model in client.models.list()]
        assert {"moa/mix", "moa/local", "moa/moa-lite"} <= set(listed)
        for name in ("moa/mix", "mix"):
            found = client.models.retrieve(name)
            assert (found.id, found.object, found.owned_by) == ("moa/mix", "model", "moagraph")


@pytest.mark.parametrize("name", ["moa/mix", "mix"])
def test_a_recipe_answers_as_a_model_does(served: Served, provider: Provider, name: str) -> None:
    provider.reply("agg", "the answer")
    said = served.ask(name)
    assert (said.object, said.model, said.choices[0].message.role) == (
        "chat.completion",
        "moa/mix",
        "assistant",
    )
    assert said.choices[0].message.content == "the answer"
    assert said.choices[0].finish_reason == "stop"
    assert sorted(call.model for call in provider.calls) == ["a", "agg", "b"]


def test_usage_is_that_of_all_calls(served: Served, provider: Provider) -> None:
    for model in ("a", "b", "agg"):
        provider.reply(model, "three words each")
    usage = served.ask().usage
    said = " ".join(m["content"] for call in provider.calls for m in call.messages)
    assert usage.completion_tokens == 9
    assert usage.prompt_tokens == len(said.split())
    assert usage.total_tokens == usage.prompt_tokens + 9


@ways
def test_only_the_last_step_is_heard(served: Served, provider: Provider, way: str) -> None:
    provider.reply("agg", "one two three four five six seven")
    assert told(served, way) == ("one two three four five six seven", "stop", [])


def test_tokens_come_as_they_are_said(served: Served, provider: Provider) -> None:
    provider.reply("agg", "one two three four five six seven eight nine")
    provider.reply("a", "a")
    provider.reply("b", "b")
    provider.chunk_delay = 0.3
    times: list[tuple[float, str]] = []
    with served.client() as client:
        for chunk in client.chat.completions.create(model="mix", messages=HI, stream=True):
            times.append((time.monotonic(), chunk.choices[0].delta.content or ""))
    texts = [(at, text) for at, text in times if text]
    assert [text for _, text in texts] == ["one two three", " four five six", " seven eight nine"]
    assert texts[1][0] - texts[0][0] > 0.2
    finished = by_model(provider)["agg"].finished
    assert finished is not None
    assert finished - texts[0][0] > 0.4


def test_every_chunk_has_the_same_head(served: Served, provider: Provider) -> None:
    chunks = served.stream()
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


def test_a_stream_tells_usage_only_if_asked(served: Served, provider: Provider) -> None:
    assert all(chunk.usage is None for chunk in served.stream())
    provider.reset()
    *chunks, last = served.stream(stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.total_tokens == served.ask().usage.total_tokens


@ways
def test_an_answer_that_was_cut_says_so(served: Served, provider: Provider, way: str) -> None:
    provider.reply("agg", "one two three four")
    assert told(served, way, max_tokens=2) == ("one two", "length", [])


@ways
def test_an_answer_that_was_withheld_says_so(served: Served, provider: Provider, way: str) -> None:
    provider.script("agg", ContentFilter())
    assert told(served, way) == ("", "content_filter", [])


@ways
def test_tools_are_the_last_steps(served: Served, provider: Provider, way: str) -> None:
    provider.reply("agg", {"tool_calls": [{"name": "look", "arguments": {"at": "the sky"}}]})
    text, finish, [called] = told(served, way, tools=[TOOL], tool_choice="required")
    assert (text, finish, called.name) == ("", "tool_calls", "look")
    assert json.loads(called.arguments) == {"at": "the sky"}
    calls = by_model(provider)
    assert calls["agg"].body["tools"] == [TOOL]
    assert calls["agg"].body["tool_choice"] == "required"
    assert not {"tools", "tool_choice"} & calls["a"].body.keys()


@ways
def test_what_a_tool_came_to_is_heard(served: Served, provider: Provider, way: str) -> None:
    provider.reply("agg", "it is blue")
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history: Any = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "blue"},
    ]
    assert told(served, way, messages=history, tools=[TOOL])[0] == "it is blue"
    heard = by_model(provider)["agg"].messages
    assert [message["role"] for message in heard] == ["system", "user", "assistant", "tool"]
    assert heard[2]["tool_calls"] == [call]
    assert (heard[3]["tool_call_id"], heard[3]["content"]) == ("c1", "blue")


@ways
def test_what_the_caller_chooses_is_for_the_last_step(
    served: Served, provider: Provider, way: str
) -> None:
    provider.reply("agg", "{}")
    form = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object"}}}
    chosen = {"temperature": 0.1, "top_p": 0.5, "seed": 7, "stop": ["END"]}
    told(served, way, max_completion_tokens=50, response_format=form, **chosen)
    calls = by_model(provider)
    sent = calls["agg"].body
    assert {key: sent[key] for key in chosen} == chosen
    assert sent["max_completion_tokens"] == 50
    assert sent["response_format"]["json_schema"]["schema"]["type"] == "object"
    only = {"model", "messages", "stream", "stream_options"}
    assert not calls["a"].body.keys() - only


def test_a_stop_may_be_one_text(served: Served, provider: Provider) -> None:
    provider.reply("agg", "one END two")
    assert served.ask(stop="END").choices[0].message.content == "one "


def test_a_choice_for_one_request_is_not_the_nexts(served: Served, provider: Provider) -> None:
    served.ask(temperature=0.1)
    served.ask()
    sent = [call.body.get("temperature") for call in provider.calls if call.model == "agg"]
    assert sent == [0.1, None]


def test_the_system_message_and_the_history_are_kept(served: Served, provider: Provider) -> None:
    said: Any = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "first"}]},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "second"},
    ]
    served.ask(messages=said)
    calls = by_model(provider)
    heard = calls["a"].messages
    assert [m["role"] for m in heard] == ["system", "user", "assistant", "user"]
    assert heard[0]["content"] == "be brief"
    assert calls["agg"].messages[0]["content"].startswith("be brief\n\n")
    assert calls["agg"].messages[-1]["content"] == "second"


def test_a_call_that_was_no_json_is_passed_on(served: Served, provider: Provider) -> None:
    for said in ("{", "", "null", "[1]", '{"a": 1}'):
        call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": said}}
        served.ask(
            messages=[
                *HI,
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "wrong"},
            ]
        )
        [_, heard, _] = provider.calls[-3].messages
        assert heard["tool_calls"][0]["function"]["arguments"] == (said or "{}")


def test_a_picture_is_seen_by_all(served: Served, provider: Provider) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "what is this?"}
    served.ask(messages=[{"role": "user", "content": [text, picture]}])
    for call in provider.calls:
        assert call.messages[-1]["content"] == [text, picture]


def test_harmless_fields_are_taken(served: Served) -> None:
    served.ask(
        n=1,
        user="u",
        store=False,
        metadata={"app": "x"},
        parallel_tool_calls=True,
        logprobs=False,
        frequency_penalty=0,
        presence_penalty=0.0,
        logit_bias={},
        service_tier="auto",
        response_format={"type": "text"},
        tools=[],
        tool_choice="auto",
    )


def test_progress_is_a_comment_that_clients_skip(served: Served, provider: Provider) -> None:
    lines = served.post({"model": "mix", "messages": HI, "stream": True}).text.splitlines()
    assert [line for line in lines if line.startswith(":")] == [": L1 1/2", ": L1 2/2"]
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(chunk.choices for chunk in served.stream())


def test_progress_is_a_field_for_those_who_ask(served: Served, provider: Provider) -> None:
    chunks = served.stream(extra_body={"moa": {"progress": True, "layers": True}})
    told = [chunk.moa["progress"] for chunk in chunks if not chunk.choices]
    assert [(said["done"], said["of"], said["layer"]) for said in told] == [(1, 2, 1), (2, 2, 1)]
    assert {(said["seat"], said["model"]) for said in told} == {
        ("01", "openai:a"),
        ("02", "openai:b"),
    }
    [proposal, _] = chunks[-1].moa["layers"][0]["proposals"]
    assert proposal["text"] == "a says: this is answer number 1."


def test_layers_are_told_to_those_who_ask(served: Served, provider: Provider) -> None:
    assert not hasattr(served.ask(), "moa")
    told = served.ask(extra_body={"moa": {"layers": True}}).moa
    assert told["recipe"] == "mix"
    assert told["usage"]["calls"] == 3
    assert [p["model"] for p in told["layers"][0]["proposals"]] == ["openai:a", "openai:b"]
    assert "thread_id" not in told


def test_a_silent_run_shows_signs_of_life(provider: Provider) -> None:
    save()
    provider.latency = 0.5
    with serving(keep_alive_seconds=0.1) as served:
        lines = served.post({"model": "mix", "messages": HI, "stream": True}).text.splitlines()
        assert lines.count(": keep-alive") >= 4
        assert lines.count("data: [DONE]") == 1


def test_a_recipe_that_changes_is_read_anew(served: Served, provider: Provider) -> None:
    served.ask()
    save("mix", ["openai:other"])
    served.ask()
    assert [call.model for call in provider.calls][3:] == ["other", "agg"]
    with pytest.raises(openai.NotFoundError):
        served.ask("moa/new")
    save("new")
    assert served.ask("moa/new").model == "moa/new"


def test_nobody_hears_anothers_answer(served: Served, provider: Provider) -> None:
    def echo(call: Call) -> str:
        return f"about {call.messages[-1]['content']}"

    for model in ("a", "b", "agg"):
        provider.reply(model, echo)
    provider.min_in_flight = 9

    async def one(client: openai.AsyncOpenAI, number: int) -> bool:
        said: Any = [{"role": "user", "content": f"question {number}"}]
        if number % 2:
            whole = await client.chat.completions.create(model="mix", messages=said)
            return whole.choices[0].message.content == f"about question {number}"
        stream = await client.chat.completions.create(model="mix", messages=said, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream])
        return text == f"about question {number}"

    async def all_at_once() -> list[bool]:
        async with served.aclient() as client:
            return await asyncio.gather(*(one(client, number) for number in range(24)))

    assert all(asyncio.run(all_at_once()))
    assert provider.max_in_flight > 8


def test_nothing_is_kept_without_a_thread(served: Served) -> None:
    served.ask()
    served.stream()
    assert not (Path(os.environ["MOA_HOME"]) / "threads.sqlite").exists()


def test_its_document_and_its_health_are_open(served: Served) -> None:
    document = served.get("/openapi.json").json()
    assert "/v1/chat/completions" in document["paths"]
    assert served.get("/healthz").json() == {"status": "ok"}


def test_mounted_it_brings_only_its_own_routes(provider: Provider) -> None:
    from moagraph.server.langgraph_app import app

    save()

    async def ask() -> list[int]:
        door = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=door, base_url="http://127.0.0.1") as client:
            body = {"model": "mix", "messages": HI}
            answered = await client.post("/v1/chat/completions", json=body)
            return [
                answered.status_code,
                (await client.get("/v1/nothing")).status_code,
                (await client.get("/openapi.json")).status_code,
            ]

    assert asyncio.run(ask()) == [200, 404, 404]


def test_what_nobody_hears_is_not_streamed(served: Served, provider: Provider) -> None:
    served.stream()
    assert {call.model: call.body["stream"] for call in provider.calls} == {
        "a": False,
        "b": False,
        "agg": True,
    }
    usage = served.stream(stream_options={"include_usage": True})[-1].usage
    assert usage.completion_tokens == 21
