"""What is read of a response: at most so many bytes, from no other host, and without the key."""

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from moagraph.api.ask import aask
from moagraph.threads.events import SilentObserver
from moagraph.threads.result import Result
from tests.faults import Always, Raw, Redirect, Status
from tests.mixtures import graph_of, one_layer
from tests.provider import Provider
from tests.raw import EVENTS, body_of, event, events_of, stream, whole

MEGABYTE = 1_000_000
KEY = "sk-live-4f9a8b7c6d5e"


def bomb(size: int) -> bytes:
    """So many bytes of spaces before an answer, as a few kilobytes of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    block = b" " * MEGABYTE
    packed = [packer.compress(block) for _ in range(size // MEGABYTE)]
    return b"".join([*packed, packer.compress(json.dumps(body_of()).encode()), packer.flush()])


def seat(name: str, **more: Any) -> dict[str, Any]:
    return {"model": f"openai:{name}", "attempts": 1, **more}


async def run(*seats: Any, streamed: bool = False) -> dict[str, dict[str, Any]]:
    """The layer's proposals by model; the turn is done whatever one seat answers."""
    came: Result = await aask(
        "why?", one_layer(*seats), watch=SilentObserver() if streamed else None
    )
    assert came.status == "done"
    return {one["model"].removeprefix("openai:"): dict(one) for one in came.layers[0]["proposals"]}


class Loop:
    """The longest time that the event loop worked at once, by the processor's clock."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


@contextmanager
def memory() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_small_response_that_expands_to_gigabytes_is_read_to_the_limit(
    provider: Provider, streamed: bool
) -> None:
    await run(seat("a"), seat("b"), streamed=streamed)  # what is imported once is not counted
    packed = bomb(300 * MEGABYTE)
    assert len(packed) < 400_000
    provider.script("bomb", Always(Raw(packed, encoding="gzip")))
    with memory() as peak:
        seats = await run(seat("a"), seat("bomb"), streamed=streamed)
        assert peak() < 60 * MEGABYTE
    assert (seats["bomb"]["ok"], seats["bomb"]["kind"]) == (False, "bad_answer")
    assert "it is larger than 8 MB: `max_response_mb`" in seats["bomb"]["error"]
    assert seats["a"]["ok"]


async def test_a_bomb_does_not_hold_up_the_loop(provider: Provider) -> None:
    await run(seat("a"), seat("b"))
    provider.script("bomb", Always(Raw(bomb(100 * MEGABYTE), encoding="gzip")))
    loop = Loop()
    watching = asyncio.ensure_future(loop.watch())
    await run(seat("bomb"), seat("a"))
    watching.cancel()
    assert loop.longest < 0.2


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_large_plain_response_is_read_to_the_limit(
    provider: Provider, streamed: bool
) -> None:
    large = Raw(b" " * 50 * MEGABYTE + json.dumps(body_of()).encode())
    provider.script("large", Always(large))
    seats = await run(seat("a"), seat("large"), streamed=streamed)
    assert "it is larger than 8 MB" in seats["large"]["error"]


async def test_a_stream_of_many_events_is_limited_as_a_whole(provider: Provider) -> None:
    events = b"".join(event({"choices": [], "x": "y" * 10_000}) for _ in range(1_000))
    provider.script("large", Always(Raw(events, EVENTS)))
    # The events of a stream may be 16 times as large as its text.
    seats = await run(seat("a"), seat("large", max_response_mb=0.5), streamed=True)
    assert "it is larger than 8 MB" in seats["large"]["error"]


@pytest.mark.parametrize(("limit", "ok"), [(0.9, False), (1.1, True)])
async def test_a_recipe_sets_the_limit(provider: Provider, limit: float, ok: bool) -> None:
    provider.script("large", Always(whole(body_of("x" * MEGABYTE))))
    seats = await run(seat("a"), seat("large", max_response_mb=limit))
    assert seats["large"]["ok"] is ok
    assert ok or "it is larger than 0.9 MB" in seats["large"]["error"]


async def test_a_limit_can_be_given_for_the_whole_recipe(provider: Provider) -> None:
    from moagraph.graphs.recipe.schema import Recipe

    said = one_layer(seat("a"), seat("large")).resolved()
    recipe = Recipe.model_validate({**said, "defaults": {"max_response_mb": 0.5}})
    provider.script("large", Always(whole(body_of("x" * MEGABYTE))))
    came = await aask("why?", recipe)
    assert "it is larger than 0.5 MB" in str(came.layers[0]["proposals"][1]["error"])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_compressed_answers_are_read(
    provider: Provider, encoding: str, streamed: bool
) -> None:
    data = (stream(events_of()) if streamed else whole(body_of())).body
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = {
        "gzip": lambda: gzip.compress(data),
        "deflate": lambda: zlib.compress(data),
        "raw deflate": lambda: raw.compress(data) + raw.flush(),
    }[encoding]()
    kind = EVENTS if streamed else "application/json"
    provider.script("b", Always(Raw(packed, kind, encoding.removeprefix("raw "))))
    seats = await run(seat("a"), seat("b"), streamed=streamed)
    assert seats["b"]["text"] == "an answer"


@pytest.mark.parametrize(("encoding", "why"), [("br", "encoded as 'br'"), ("gzip", "broken")])
async def test_an_encoding_that_cannot_be_read_fails_the_seat(
    provider: Provider, encoding: str, why: str
) -> None:
    provider.script("b", Always(Raw(b"no such encoding", encoding=encoding)))
    seats = await run(seat("a"), seat("b"))
    assert why in seats["b"]["error"]


async def test_the_body_of_an_error_is_not_read_to_its_end(provider: Provider) -> None:
    provider.script("b", Always(Status(429, message="x" * 20 * MEGABYTE)))
    seats = await run(seat("a"), seat("b"))
    assert seats["b"]["kind"] == "rate_limited"
    assert len(seats["b"]["error"]) < 400


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_not_followed(
    provider: Provider, status: int, streamed: bool
) -> None:
    with Provider() as elsewhere:
        location = f"{elsewhere.base_url}/chat/completions"
        provider.script("b", Always(Redirect(status, location=location)))
        seats = await run(seat("a"), seat("b"), streamed=streamed)
        assert elsewhere.calls == []
    assert (seats["b"]["ok"], seats["b"]["kind"]) == (False, "refused")
    assert f"redirects to `{location.removesuffix('/v1/chat/completions')}`" in seats["b"]["error"]


async def test_a_redirect_on_the_same_host_is_followed(provider: Provider) -> None:
    provider.script("b", Redirect(307, location="/v1/chat/completions"))
    seats = await run(seat("a"), seat("b"))
    assert seats["b"]["text"] == "b says: this is answer number 2."


@pytest.fixture
def keyed(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return provider


ECHO = f"Your key is {KEY}, and again: {KEY}"
HIDDEN = "Your key is ***, and again: ***"


async def test_a_key_in_an_answer_is_hidden(keyed: Provider) -> None:
    keyed.script("b", Always(whole(body_of(ECHO, model=KEY, system_fingerprint=KEY))))
    seats = await run(seat("a"), seat("b"))
    assert seats["b"]["text"] == HIDDEN
    assert KEY not in json.dumps(seats)
    assert KEY not in json.dumps(keyed.calls[-1].messages)


class Heard(SilentObserver):
    """Whatever a watcher is told while a run streams."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def token_received(self, place: Any, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 19, 50])
async def test_a_key_that_a_stream_breaks_apart_is_hidden(keyed: Provider, size: int) -> None:
    pieces = [ECHO[start : start + size] for start in range(0, len(ECHO), size)]
    keyed.script("agg", Always(stream(events_of(pieces))))
    watch = Heard()
    came = await aask("why?", one_layer(seat("a")), watch=watch)
    assert came.answer == HIDDEN
    assert "".join(watch.texts).endswith(HIDDEN)
    assert all("live" not in text for text in watch.texts)


async def test_the_beginning_of_a_key_that_goes_on_otherwise_is_shown(keyed: Provider) -> None:
    text = f"{KEY[:9]} is no key, nor is {KEY[:-1]}"
    keyed.script("agg", Always(stream(events_of(list(text)))))
    came = await aask("why?", one_layer(seat("a")), watch=Heard())
    assert came.answer == text


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_key_in_the_arguments_of_a_tool_is_hidden(keyed: Provider, streamed: bool) -> None:
    tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}
    keyed.reply("agg", {"tool_calls": [{"name": "send", "arguments": {"to": f"x{KEY}y"}}]})
    recipe = one_layer(seat("a"), aggregator={"model": "openai:agg", "tools": [tool]})
    graph, given = graph_of(recipe), {"messages": [("user", "why?")]}
    if streamed:
        parts = [part async for part in graph.astream(given, stream_mode=["messages", "values"])]
        answer = [data for mode, data in parts if mode == "values"][-1]["messages"][-1]
        told = [str(data) for mode, data in parts if mode == "messages"]
        assert KEY not in "".join(told)
    else:
        answer = (await graph.ainvoke(given))["messages"][-1]
    assert answer.tool_calls[0]["args"] == {"to": "x***y"}


async def test_a_placeholder_of_a_key_is_a_word_like_others(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "ollama")
    provider.reply("b", "ollama serves models")
    seats = await run(seat("a"), seat("b"))
    assert seats["b"]["text"] == "ollama serves models"
