import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from tests.faults import Always, Hang
from tests.provider import Provider
from tests.serving import HI, Served, save, serving

ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    save()
    with serving() as served:
        yield served


def until(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)


def leave(served: Served, **said: Any) -> None:
    """Ask, and hang up before an answer is there."""
    body = {"model": "mix", "messages": HI, **said}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{served.base_url}/chat/completions", json=body, timeout=0.8)


@ways
def test_calls_under_way_end_with_the_client(
    served: Served, provider: Provider, stream: bool
) -> None:
    served.ask()
    provider.reset()
    provider.script("a", Always(Hang()))
    provider.script("b", Always(Hang()))
    leave(served, stream=stream)
    until(lambda: [call.aborted for call in provider.calls] == [True, True])


@ways
def test_no_call_is_made_for_a_client_that_left(
    served: Served, provider: Provider, stream: bool
) -> None:
    served.ask()
    provider.reset()
    provider.script("a", Always(Hang()))
    leave(served, stream=stream)
    until(lambda: any(call.aborted for call in provider.calls))
    time.sleep(0.3)
    assert sorted(call.model for call in provider.calls) == ["a", "b"]


def test_a_stream_that_is_closed_ends_its_call(served: Served, provider: Provider) -> None:
    provider.reply("agg", "word " * 300)
    provider.chunk_delay = 0.1
    provider.reply("a", "a")
    provider.reply("b", "b")
    with served.client() as client:
        stream = client.chat.completions.create(model="mix", messages=HI, stream=True)
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        stream.close()
    until(lambda: [call.aborted for call in provider.calls if call.model == "agg"] == [True])


@ways
def test_who_leaves_while_waiting_is_never_asked_for(provider: Provider, stream: bool) -> None:
    save()
    with serving(max_running=1, max_waiting=1) as served, ThreadPoolExecutor() as pool:
        served.ask()
        provider.reset()
        provider.latency = 1.0
        first = pool.submit(served.ask)
        until(lambda: len(provider.calls) == 2)
        leave(served, stream=stream)
        assert first.result().choices[0].finish_reason == "stop"
        assert len(provider.calls) == 3
        provider.latency = 0
        assert served.ask().choices[0].finish_reason == "stop"


@ways
def test_too_many_are_told_when_to_come_again(provider: Provider, stream: bool) -> None:
    save()
    with serving(max_running=1, max_waiting=1) as served, ThreadPoolExecutor() as pool:
        served.ask()
        provider.reset()
        provider.latency = 0.5
        two = [pool.submit(served.ask), pool.submit(served.ask)]
        until(lambda: len(provider.calls) == 2)
        time.sleep(0.2)
        with pytest.raises(openai.RateLimitError) as refused:
            served.ask(stream=stream)
        assert refused.value.response.headers["retry-after"] == "5"
        assert refused.value.code == "rate_limit_exceeded"
        assert [answered.result().choices[0].finish_reason for answered in two] == ["stop"] * 2
        assert provider.max_in_flight == 2
