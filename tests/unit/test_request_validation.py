import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from moagraph.server import limits, validation
from moagraph.server.chat.request import parse_chat_request
from moagraph.server.limits import read_json_body
from moagraph.server.protocol_errors import ApiError
from moagraph.server.responses.request import parse_response_request
from moagraph.server.validation import MAX_ITEMS, MAX_JSON_VALUES, MAX_TEXT_CHARS

HI = {"role": "user", "content": "hi"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=',[{}]"\\ab'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet=',[{"\\'), inner),
)
HEADERS = [(b"content-type", b"application/json")]


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "mix", "messages": [HI], **fields}).encode()


def refused(body: bytes) -> ApiError:
    with pytest.raises(ApiError) as error:
        parse_chat_request(body)
    assert error.value.status == 400
    assert len(str(error.value)) < 200
    return error.value


def separators(value: Any) -> int:
    """Commas and opening brackets in the JSON of the value."""
    if not isinstance(value, list | dict):
        return 0
    items = value.values() if isinstance(value, dict) else value
    return max(len(value), 1) + sum(map(separators, items))


@given(value=JSON)
def test_values_are_counted_outside_of_strings(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "MAX_JSON_VALUES", separators(value))
        assert validation._count_values(json.dumps(value).encode()) <= separators(value)
        patch.setattr(validation, "MAX_JSON_VALUES", separators(value) - 1)
        assert validation._count_values(json.dumps(value).encode()) >= separators(value)


FLOODS = {
    "messages": chat(messages=[HI] * (MAX_ITEMS + 1)),
    "numbers instead of messages": chat(messages=[1] * (MAX_ITEMS + 1)),
    "parts of one message": chat(
        messages=[{"role": "user", "content": [{"type": "text", "text": "x"}] * (MAX_ITEMS + 1)}]
    ),
    "parts of all messages": chat(
        messages=[{"role": "user", "content": [{"type": "text", "text": "x"}] * 20}] * 110
    ),
    "tool calls": chat(messages=[HI, {"role": "assistant", "tool_calls": [{}] * (MAX_ITEMS + 1)}]),
    "stop texts": chat(stop=[1] * (MAX_ITEMS + 1)),
    "metadata": chat(metadata={str(n): 1 for n in range(MAX_ITEMS + 1)}),
    "unknown fields": chat(**{f"x{n}": 1 for n in range(MAX_ITEMS + 1)}),
    "values anywhere": chat(tools=[[[]] * MAX_JSON_VALUES]),
}


@pytest.mark.parametrize("body", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_values_is_refused_before_each_is_validated(body: bytes) -> None:
    assert refused(body).code == "array_above_max_length"


def test_as_many_messages_as_openai_accepts_are_read() -> None:
    assert len(parse_chat_request(chat(messages=[HI] * MAX_ITEMS)).messages) == MAX_ITEMS
    body = json.dumps({"model": "mix", "input": [HI] * MAX_ITEMS, "instructions": "x"}).encode()
    assert len(parse_response_request(body)[1].messages) == MAX_ITEMS + 1


def test_punctuation_in_a_long_text_does_not_count() -> None:
    text = '{"a": [1, 2, "\\"], ' * (MAX_JSON_VALUES // 2)
    assert parse_chat_request(chat(messages=[{**HI, "content": text}])).messages[0].content == text


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_text_has_openais_longest_length(role: str) -> None:
    longest = {"role": role, "content": "x" * MAX_TEXT_CHARS}
    assert parse_chat_request(chat(messages=[HI, longest])).messages[1].content
    error = refused(chat(messages=[HI, {**longest, "content": longest["content"] + "x"}]))
    assert (error.code, error.param) == ("string_above_max_length", "messages[1].content")


def test_an_image_may_be_longer_than_a_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "A" * 2 * MAX_TEXT_CHARS}}
    assert parse_chat_request(chat(messages=[{"role": "user", "content": [image]}])).messages


class CountingBuffer(bytearray):
    """Counts the bytes that are copied when something is added to it."""

    copied = 0

    def __add__(self, block: Any) -> "CountingBuffer":
        CountingBuffer.copied += len(self) + len(block)
        return CountingBuffer(bytes(self) + block)

    def __iadd__(self, block: Any) -> "CountingBuffer":
        CountingBuffer.copied += len(block)
        self.extend(block)
        return self


async def bytes_copied(blocks: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """What it takes to read a body that arrives in so many blocks."""
    messages = [{"type": "http.request", "body": b"x" * 10, "more_body": True}] * blocks
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    arriving = iter(messages)

    async def receive() -> Any:
        return next(arriving)

    monkeypatch.setattr(limits, "bytearray", CountingBuffer, raising=False)
    monkeypatch.setattr(CountingBuffer, "copied", 0)
    request = Request({"type": "http", "method": "POST", "headers": HEADERS}, receive)
    assert await read_json_body(request, 10**6) == b"x" * 10 * blocks
    return CountingBuffer.copied


async def test_a_body_of_twice_the_blocks_takes_twice_the_copying(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    single = await bytes_copied(500, monkeypatch)
    assert single >= 5000
    assert await bytes_copied(1000, monkeypatch) <= 2.5 * single
