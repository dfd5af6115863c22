import json
import socket
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest

from moagraph.server.chat.request import ChatRequest
from tests.serving import HI, Served, save, serving

GOOD: dict[str, Any] = {"model": "moa/mix", "messages": HI}
ODD: list[Any] = [7.5, "seven", True, ["x"], {"x": {}}, "x" * 300, -(2**70)]
WRONG: list[tuple[str, Any]] = [(name, value) for name in ChatRequest.model_fields for value in ODD]
REFUSED: dict[str, Any] = {
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "frequency_penalty": 0.5,
    "presence_penalty": -1,
    "logit_bias": {"50256": -100},
    "modalities": ["audio"],
    "functions": [],
    "function_call": "auto",
    "audio": {},
    "temperatur": 1,
    "temperature": 2.1,
    "top_p": 0,
    "max_tokens": 0,
    "stop": ["a", "b", "c", "d", "e"],
    "seed": 2**63,
    "tool_choice": "required",
    "tools": [{"type": "function", "function": {"name": "a b"}}],
    "response_format": {"type": "xml"},
    "moa": {"progres": True},
}
MESSAGES: dict[str, tuple[Any, str]] = {
    "none": ([], "messages"),
    "text": ("hi", "messages"),
    "a number": ([7], "messages[0]"),
    "no role": ([{"content": "hi"}], "messages[0]"),
    "an unknown role": ([{"role": "king", "content": "hi"}], "messages[0]"),
    "no content": ([{"role": "user"}], "messages[0].content"),
    "content null": ([{"role": "user", "content": None}], "messages[0].content"),
    "an unknown part": ([{"role": "user", "content": [{"type": "x"}]}], "messages[0].content[0]"),
    "sound": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
        "messages[0].content[0]",
    ),
    "no parts": ([{"role": "user", "content": []}], "messages[0].content"),
    "an empty part": (
        [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        "messages[0].content",
    ),
    "a tool of no call": ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
    "nothing said": ([*HI, {"role": "assistant"}, *HI], "messages[1].content"),
    "a call without a name": (
        [
            *HI,
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"arguments": ""}}],
            },
        ],
        "messages[1].tool_calls[0].function.name",
    ),
}
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"model": "moa/mix", "messages": [',
    "a list": b"[]",
    "null": b"null",
    "no UTF-8": b'{"model": "\xff"}',
    "half a sign": b'{"model": "moa/mix", "messages": [{"role": "user", "content": "\\ud83d"}]}',
    "deep": b'{"model":' + b"[" * 100_000,
    "not a number": b'{"model": "moa/mix", "temperature": NaN, "messages": []}',
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOA_HOME", str(tmp_path_factory.mktemp("home")))
        save("mix", ["scripted:one"], aggregator="scripted:echo")
        with serving(max_body_bytes=2**20) as served:
            yield served


@pytest.fixture
def served(home: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """One server for all of them, and after each it still answers."""
    yield home
    said = home.post(GOOD).json()
    assert said["choices"][0]["message"]["content"] == "hi"


@pytest.fixture(autouse=True)
def at_home(
    own_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
    home: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOA_HOME", str(tmp_path_factory.getbasetemp() / "home0"))


def refused(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The error in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    assert code is None or error["code"] == code
    return error


def fits(name: str, value: Any) -> bool:
    """Whether the value is right for that field after all."""
    text = {"user", "prompt_cache_key", "safety_identifier", "service_tier", "stop"}
    flags = {"stream", "store", "parallel_tool_calls"}
    if name == "model":
        return False
    return (
        (isinstance(value, str) and name in text)
        or (isinstance(value, bool) and name in flags)
        or (value == ["x"] and name == "stop")
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ChatRequest.model_fields)
def test_a_wrong_type_in_any_field_is_refused(served: Served, name: str, stream: bool) -> None:
    for known, value in WRONG:
        if known == name and not fits(name, value):
            error = refused(
                served.post({**GOOD, "stream": stream, name: value}),
                404 if name == "model" and isinstance(value, str) and len(value) < 257 else 400,
            )
            assert str(error["param"]).split(".")[0].split("[")[0] == name


def test_null_is_as_good_as_nothing(served: Served) -> None:
    optional = [
        n for n, f in ChatRequest.model_fields.items() if type(None) in get_args(f.annotation)
    ]
    assert served.post({**GOOD, **dict.fromkeys(optional)}).status_code == 200


@pytest.mark.parametrize(("name", "value"), REFUSED.items(), ids=REFUSED)
def test_what_it_would_have_to_ignore_is_refused(served: Served, name: str, value: Any) -> None:
    error = refused(served.post({**GOOD, name: value}), 400)
    assert error["type"] == "invalid_request_error"
    assert name.partition("_")[0] in error["message"]


@pytest.mark.parametrize(("messages", "param"), MESSAGES.values(), ids=MESSAGES)
def test_a_wrong_message_is_named(served: Served, messages: Any, param: str) -> None:
    assert refused(served.post({**GOOD, "messages": messages}), 400)["param"] == param


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_no_request_is_refused(served: Served, body: bytes) -> None:
    refused(served.post(body), 400)


@pytest.mark.parametrize("name", ["gpt-4o", "moa/nothing", "moa/moa/mix", "moa/", "/etc/passwd"])
def test_an_unknown_model_is_refused(served: Served, name: str) -> None:
    error = refused(served.post({**GOOD, "model": name}), 404, "model_not_found")
    assert error["param"] == "model"


@pytest.mark.parametrize("name", ["moa/../mix", "../recipes/mix", "moa/..%2fmix", "mix.toml"])
def test_a_path_gets_nowhere(served: Served, name: str) -> None:
    refused(served.post({**GOOD, "model": name}), 404, "model_not_found")
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(f"GET /v1/models/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert line.recv(20).split()[1] == b"404"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/x", "/v1/../etc/passwd", "/v1/models/"])
def test_an_unknown_path_is_refused(served: Served, path: str) -> None:
    refused(served.get(path), 404)


def test_another_method_is_refused(served: Served) -> None:
    assert refused(served.get("/v1/chat/completions"), 405, "method_not_allowed")


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "in chunks"])
def test_a_body_that_is_too_large_is_refused(served: Served, stated: bool) -> None:
    body = json.dumps({**GOOD, "user": "x" * 10 * 2**20}).encode()
    if stated:
        refused(served.post(body[: 5 * 2**20]), 413, "request_too_large")
    blocks = (body[i : i + 2**16] for i in range(0, 5 * 2**20, 2**16))
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{served.base_url}/chat/completions", content=blocks, headers=headers)
    refused(answer, 413, "request_too_large")


def test_ten_megabytes_do_not_stop_it(served: Served) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moagraph.server.limits.DRAIN_FACTOR", 2)
        try:
            refused(served.post(b"x" * 10 * 2**20), 413)
        except httpx.TransportError:
            pass  # it hung up on what it would not read


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_another_type_of_body_is_refused(served: Served, kind: str) -> None:
    refused(served.post(GOOD, headers={"Content-Type": kind}), 415, "unsupported_media_type")


def test_json_may_say_its_charset(served: Served) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert served.post(GOOD, headers=kind).status_code == 200


def raw(served: Served, said: bytes) -> httpx.Response:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        try:
            line.sendall(said)
        except OSError:
            pass
        heard = b""
        while block := line.recv(65536):
            heard += block
    head, _, body = heard.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    pairs = dict(line.split(": ", 1) for line in headers)
    return httpx.Response(int(status.split()[1]), headers=pairs, content=body)


FLOODS = {
    "one long header": b"X: " + b"x" * 2**17,
    "many headers": b"X: y\r\n" * 40_000,
    "a long path": b"",
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_headers_is_refused(served: Served, name: str) -> None:
    path = b"/" + b"x" * 2**17 if name == "a long path" else b"/v1/models"
    said = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + FLOODS[name]
    refused(raw(served, said), 431, "headers_too_large")


def test_what_is_no_http_is_refused(served: Served) -> None:
    refused(raw(served, b"hello there\r\n\r\n"), 400)
    refused(raw(served, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n"), 400)


def test_a_page_in_a_browser_cannot_ask(served: Served) -> None:
    error = refused(served.post(GOOD, headers={"Host": "evil.example"}), 403)
    assert "evil.example" in error["message"]
    answer = served.post(GOOD, headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_that_does_not_come_is_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moagraph.server.limits.BODY_SECONDS", 0.3)
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    refused(raw(served, head), 408, "request_timeout")
