import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.faults import (
    Always,
    ContentFilter,
    Cut,
    Drip,
    Empty,
    Fault,
    Garbage,
    Hang,
    MidStreamError,
    NullContent,
    Reset,
    Slow,
    Status,
    Surrogate,
    TruncatedBody,
    WrongModel,
)
from tests.provider import Call, Provider

HELLO = [{"role": "user", "content": "hello there"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
LINES = "one two three four five six seven"
PATIENCE = 30  # seconds, of which a good run needs a few hundredths
both_modes = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


async def exchange(provider: Provider, stream: bool, body: dict[str, Any], timeout: float) -> Any:
    plain = openai.DefaultAsyncHttpxClient(verify=False)  # reading the certificates takes 80 ms
    async with AsyncOpenAI(
        base_url=provider.base_url, api_key="k", max_retries=0, timeout=timeout, http_client=plain
    ) as client:
        request: dict[str, Any] = {"model": "m", "messages": HELLO, "stream": stream} | body
        answer: Any = await client.chat.completions.create(**request)
        return [chunk async for chunk in answer] if stream else answer


def get(url: str) -> httpx.Response:
    return httpx.get(url, verify=False)


def post(provider: Provider, **content: Any) -> httpx.Response:
    return httpx.post(f"{provider.base_url}/chat/completions", verify=False, **content)


async def left(provider: Provider, stream: bool, seen: Callable[[], object]) -> None:
    """A client that asks and, once that is seen, goes away."""
    call = asyncio.create_task(exchange(provider, stream, {}, 5.0))
    while not seen():
        await asyncio.sleep(0.002)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call


def ask(provider: Provider, stream: bool = False, timeout: float = 5.0, **body: Any) -> Any:
    """The completion, or the list of chunks."""
    return asyncio.run(exchange(provider, stream, body, timeout))


def outcome(provider: Provider, stream: bool, **body: Any) -> tuple[str | None, str | None]:
    """The text and the finish reason, whichever way they came."""
    answer = ask(provider, stream, **body)
    if not stream:
        return answer.choices[0].message.content, answer.choices[0].finish_reason
    choices = [choice for chunk in answer for choice in chunk.choices]
    said = [c.delta.content for c in choices if c.delta.content is not None]
    return "".join(said) if said else None, choices[-1].finish_reason


def eventually(seen: Callable[[], bool]) -> bool:
    """Whether it comes true at all."""
    end = time.monotonic() + PATIENCE
    while not seen() and time.monotonic() < end:
        time.sleep(0.002)
    return seen()


@both_modes
def test_a_model_says_its_name_and_the_number_of_the_call(provider: Provider, stream: bool) -> None:
    said = [outcome(provider, stream) for _ in range(2)]
    assert said == [(f"m says: this is answer number {n}.", "stop") for n in (1, 2)]


@both_modes
def test_a_call_is_remembered_as_it_came(provider: Provider, stream: bool) -> None:
    ask(provider, stream, temperature=0.5)
    (call,) = provider.calls
    assert (call.model, call.messages, call.status, call.aborted) == ("m", HELLO, 200, False)
    assert call.body["temperature"] == 0.5
    assert call.headers["authorization"] == "Bearer k"
    assert call.finished is not None
    assert call.arrived <= call.finished


def test_answers_come_in_order_and_the_last_repeats(provider: Provider) -> None:
    provider.reply("m", "first", lambda call: f"{call.number}: {call.messages[-1]['content']}")
    said = [outcome(provider, False)[0] for _ in range(3)]
    assert said == ["first", "2: hello there", "3: hello there"]


def test_a_failed_call_uses_up_no_answer(provider: Provider) -> None:
    provider.reply("m", "first", "second")
    provider.script("m", Status(500))
    with pytest.raises(openai.InternalServerError):
        ask(provider)
    assert outcome(provider, False)[0] == "first"


def test_a_mistake_in_a_reply_is_raised_when_the_provider_ends() -> None:
    def mistaken(call: Call) -> str:
        raise ZeroDivisionError(call.model)

    def serve() -> None:
        with Provider() as provider:
            provider.reply("m", mistaken)
            with pytest.raises(openai.InternalServerError, match="ZeroDivisionError"):
                ask(provider)

    with pytest.raises(ZeroDivisionError, match="m"):
        serve()


def test_a_whole_answer_has_every_field_of_the_protocol(provider: Provider) -> None:
    answer = ask(provider, messages=[*HELLO, {"role": "user", "content": [{"text": "a b c"}]}])
    assert answer.id.startswith("chatcmpl-")
    assert (answer.object, answer.model) == ("chat.completion", "m")
    assert abs(answer.created - time.time()) < 5
    assert "system_fingerprint" in answer.model_fields_set
    assert answer.usage.prompt_tokens == 5
    assert answer.usage.total_tokens == 5 + answer.usage.completion_tokens == 5 + 7


def test_a_stream_is_a_role_then_words_then_a_reason_then_the_cost(provider: Provider) -> None:
    provider.reply("m", LINES)
    *chunks, last = ask(provider, True, stream_options={"include_usage": True})
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert [d.content for d in deltas[1:-1]] == ["one two three", " four five six", " seven"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.completion_tokens) == ([], 7)
    assert len({chunk.id for chunk in [*chunks, last]}) == 1


def test_a_stream_tells_its_cost_only_if_asked_and_ends_with_done(provider: Provider) -> None:
    body = {"model": "m", "messages": HELLO, "stream": True}
    answer = post(provider, json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "usage" not in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


@both_modes
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens_cuts_the_answer(provider: Provider, stream: bool, limit: str) -> None:
    provider.reply("m", LINES)
    assert outcome(provider, stream, **{limit: 2}) == ("one two", "length")


@both_modes
def test_the_first_stop_word_ends_the_answer(provider: Provider, stream: bool) -> None:
    provider.reply("m", LINES)
    assert outcome(provider, stream, stop=["six", " three"]) == ("one two", "stop")


def test_scripted_tool_calls_are_returned_to_who_brought_tools(provider: Provider) -> None:
    provider.reply("m", {"tool_calls": [{"name": "weather", "arguments": {"city": "Bern"}}]})
    choice = ask(provider, tools=TOOLS).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls[0].id.startswith("call_")
    assert choice.message.tool_calls[0].function.name == "weather"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Bern"}
    assert ask(provider).choices[0].message.tool_calls is None


def test_tool_calls_come_in_fragments_of_a_stream(provider: Provider) -> None:
    given = {"id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    provider.reply("m", {"tool_calls": [given]})
    chunks = ask(provider, True, tools=TOOLS)
    parts = [part for c in chunks for part in c.choices[0].delta.tool_calls or []]
    assert (parts[0].id, parts[0].function.name) == ("call_1", "weather")
    assert "".join(part.function.arguments for part in parts) == '{"city": "Bern"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@both_modes
def test_a_verdict_comes_with_its_odds(provider: Provider, stream: bool) -> None:
    provider.reply("m", {"content": "A", "logprobs": [{"A": -0.1, "B": -2.4, "C": -9.0}]})
    answer = ask(provider, stream, logprobs=True, top_logprobs=2)
    choice = (answer[1] if stream else answer).choices[0]
    (token,) = choice.logprobs.content
    assert (token.token, token.logprob, token.bytes) == ("A", -0.1, [65])
    assert [(t.token, t.logprob) for t in token.top_logprobs] == [("A", -0.1), ("B", -2.4)]


def test_models_are_listed_for_openai_and_for_ollama(provider: Provider) -> None:
    provider.models, provider.ollama_models = ["a", "b"], ["c:1b"]
    models = get(f"{provider.base_url}/models").json()
    tags = get(provider.base_url.replace("/v1", "/api/tags")).json()
    assert [model["id"] for model in models["data"]] == ["a", "b"]
    assert [model["name"] for model in tags["models"]] == ["c:1b"]


def test_a_wrong_key_is_refused() -> None:
    with Provider(api_key="other") as provider:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(provider)
        assert caught.value.code == "invalid_api_key"
        assert get(f"{provider.base_url}/models").status_code == 401
        assert provider.calls[0].status == 401
    with Provider(api_key="k") as provider:
        assert ask(provider).model == "m"


def test_a_body_that_is_no_request_is_refused(provider: Provider) -> None:
    for content in (b"{", b"[]", b'{"model": "m"}'):
        answer = post(provider, content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, None)
    assert provider.calls == []


def test_a_script_plays_once_and_then_all_is_well(provider: Provider) -> None:
    provider.script("m", Empty(), None, Empty())
    assert [outcome(provider, False)[0] == "" for _ in range(4)] == [True, False, True, False]


def test_always_repeats_and_reset_forgets(provider: Provider) -> None:
    provider.script("m", None, Always(Empty()))
    assert [outcome(provider, False)[0] == "" for _ in range(4)] == [False, True, True, True]
    provider.reset()
    assert (provider.calls, provider.max_in_flight) == ([], 0)
    assert outcome(provider, False)[0] == "m says: this is answer number 1."


@both_modes
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Empty(), ("", "stop")),
        (NullContent(), (None, "stop")),
        (ContentFilter(), ("", "content_filter")),
        (Surrogate(), ("hi \ud83d", "stop")),
        (Slow(0.01), ("hi", "stop")),
        (Drip(0.001), ("hi", "stop")),
        (WrongModel("other"), ("hi", "stop")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_reply_can_be_wrong_in_either_mode(
    provider: Provider, stream: bool, fault: Fault, expected: tuple[str | None, str]
) -> None:
    provider.reply("m", "hi")
    provider.script("m", fault)
    assert outcome(provider, stream) == expected


@both_modes
def test_another_model_can_answer(provider: Provider, stream: bool) -> None:
    provider.script("m", WrongModel("other"))
    answer = ask(provider, stream)
    assert {chunk.model for chunk in (answer if stream else [answer])} == {"other"}


@both_modes
@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (404, openai.NotFoundError, "model_not_found"),
        (408, openai.APIStatusError, None),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
    ],
)
def test_a_status_has_the_shape_of_openai(
    provider: Provider,
    stream: bool,
    status: int,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    provider.script("m", Status(status, retry_after=1.5, message="no luck"))
    with pytest.raises(error, match="no luck") as caught:
        ask(provider, stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers["retry-after"] == "1.5"
    assert provider.calls[0].status == status


def test_a_prompt_can_be_refused_by_the_content_filter(provider: Provider) -> None:
    provider.script("m", Status(400, code="content_filter"))
    with pytest.raises(openai.BadRequestError) as caught:
        ask(provider)
    assert caught.value.code == "content_filter"


@both_modes
@pytest.mark.parametrize("fault", [Reset(), TruncatedBody()], ids=["reset", "truncated"])
def test_a_broken_connection_is_an_error_and_no_abort(
    provider: Provider, stream: bool, fault: Fault
) -> None:
    provider.script("m", fault)
    with pytest.raises((openai.APIConnectionError, httpx.TransportError)):
        ask(provider, stream)
    assert provider.calls[0].finished
    assert eventually(lambda: provider.open_connections == 0)
    assert not provider.calls[0].aborted


def test_a_reset_is_a_reset_of_the_socket(provider: Provider) -> None:
    provider.script("m", Reset())
    body = {"model": "m", "messages": HELLO}
    with pytest.raises(httpx.ReadError) as caught:
        post(provider, json=body)
    assert "reset" in str(caught.value).lower()


@both_modes
def test_garbage_is_a_success_that_is_no_json(provider: Provider, stream: bool) -> None:
    provider.script("m", Garbage())
    with pytest.raises((json.JSONDecodeError, openai.APIError)):
        ask(provider, stream)
    assert provider.calls[0].status == 200


def test_garbage_can_be_the_page_of_a_proxy(provider: Provider) -> None:
    provider.script("m", Garbage("<html>", content_type="text/html"))
    assert ask(provider) == "<html>"


def test_an_error_can_come_in_the_middle_of_a_stream(provider: Provider) -> None:
    provider.script("m", MidStreamError("too much"))
    with pytest.raises(openai.APIError, match="too much"):
        ask(provider, True)


def test_an_error_can_come_instead_of_a_whole_body(provider: Provider) -> None:
    provider.script("m", MidStreamError("too much"))
    answer = ask(provider)
    assert answer.choices is None
    assert answer.error["message"] == "too much"


def test_a_cut_stream_looks_complete_but_gives_no_reason(provider: Provider) -> None:
    provider.reply("m", LINES)
    provider.script("m", Cut())
    assert outcome(provider, True) == ("one two three", None)


def test_a_cut_body_is_half_a_json(provider: Provider) -> None:
    provider.script("m", Cut())
    with pytest.raises((json.JSONDecodeError, openai.APIError)):
        ask(provider)


@both_modes
def test_a_client_that_tires_of_a_hanging_call_is_seen_to_abort(
    provider: Provider, stream: bool
) -> None:
    provider.script("m", Hang())
    with pytest.raises(openai.APITimeoutError):
        ask(provider, stream, timeout=0.3)
    (call,) = provider.calls
    assert eventually(lambda: call.aborted)
    assert (call.finished, call.status) == (None, None)
    assert eventually(lambda: provider.open_connections == 0)


@both_modes
def test_a_client_that_leaves_before_the_answer_is_seen_to_abort(
    provider: Provider, stream: bool
) -> None:
    provider.latency = 5.0
    asyncio.run(left(provider, stream, lambda: provider.calls))
    (call,) = provider.calls
    assert eventually(lambda: call.aborted)
    assert (call.finished, call.status) == (None, None)


@both_modes
def test_a_client_that_leaves_in_the_middle_is_seen_to_abort(
    provider: Provider, stream: bool
) -> None:
    provider.script("m", Drip(0.5))
    asyncio.run(left(provider, stream, lambda: provider.calls and provider.calls[0].status))
    (call,) = provider.calls
    assert eventually(lambda: call.aborted)
    assert (call.finished, call.status) == (None, 200)


def test_a_drip_of_bytes_outlasts_the_patience_for_one_read(provider: Provider) -> None:
    provider.script("m", Drip(0.03))
    ask(provider, timeout=0.2)
    (call,) = provider.calls
    assert (call.finished or 0) - call.arrived > 0.2


@both_modes
def test_six_calls_wait_together_and_not_in_turn(stream: bool) -> None:
    async def six(provider: Provider) -> None:
        await asyncio.gather(*(exchange(provider, stream, {}, 5.0) for _ in range(6)))

    with Provider(latency=0.3) as provider:
        asyncio.run(six(provider))
        assert provider.max_in_flight == 6
        assert {call.number for call in provider.calls} == {1, 2, 3, 4, 5, 6}
        assert all(0.29 < (call.finished or 0) - call.arrived < 1 for call in provider.calls)


def test_calls_in_turn_are_one_in_flight(provider: Provider) -> None:
    for stream in (True, False, True, False):
        ask(provider, stream)
    assert provider.max_in_flight == 1


def test_chunks_are_spaced_by_their_delay() -> None:
    with Provider(chunk_delay=0.02) as provider:
        provider.reply("m", LINES)
        chunks = len(ask(provider, True))
        call = provider.calls[0]
        assert (call.finished or 0) - call.arrived >= 0.02 * chunks


def test_an_open_connection_is_counted_until_it_closes(provider: Provider) -> None:
    with httpx.Client(verify=False) as client:
        client.get(f"{provider.base_url}/models")
        assert provider.open_connections == 1
    assert eventually(lambda: provider.open_connections == 0)


def test_a_provider_ends_at_once_while_a_call_hangs() -> None:
    async def hang(provider: Provider) -> None:
        call = asyncio.create_task(exchange(provider, False, {}, 600.0))
        while not provider.calls:
            await asyncio.sleep(0.002)
        await asyncio.to_thread(provider.__exit__, None, None, None)
        with suppress(openai.APIError):
            await asyncio.wait_for(call, PATIENCE)

    provider = Provider().__enter__()
    provider.script("m", Hang())
    asyncio.run(hang(provider))


@pytest.mark.parametrize("end", ["sigterm", "eof"])
def test_a_process_serves_until_it_is_told_to_end(end: str) -> None:
    command = [sys.executable, "-m", "tests.provider", "--port", "0", "--latency", "0.01"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        base_url = process.stdout.readline().strip()
        assert get(f"{base_url}/models").json() == {"object": "list", "data": []}
        if end == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(PATIENCE) == 0
