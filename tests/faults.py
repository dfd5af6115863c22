"""What a model answers, the bytes that carry it, and everything that can go wrong with them.

    Fault
    ├── Empty, NullContent, Surrogate, ContentFilter, WrongModel    the reply is wrong
    ├── Garbage, MidStreamError, Cut, TruncatedBody, Raw            the bytes are wrong
    ├── Slow, Drip, Gate, Endless, Hang                             the time is wrong
    └── Status, Redirect, Reset                                     there is no answer at all

A fault acts on a reply, on the body of a whole answer or on the events of a stream; what needs
the socket or the clock is only named here and played by the server.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

DONE = b"data: [DONE]\n\n"
WORD = re.compile(r"\s*\S+|\s+\Z")
WORDS_A_CHUNK = 3


@dataclass(frozen=True)
class Reply:
    """What a model has to say, before it is put on the wire."""

    model: str
    text: str | None
    finish_reason: str = "stop"
    tool_calls: Sequence[dict[str, Any]] = ()
    logprobs: Sequence[Mapping[str, float]] = ()


def event(body: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """An error in the shape that OpenAI gives it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def fitted(reply: Reply, body: Mapping[str, Any]) -> Reply:
    """The reply up to the first stop word and within the limit of tokens."""
    text = reply.text or ""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    words, limit = WORD.findall(text), body.get("max_completion_tokens") or body.get("max_tokens")
    if limit and len(words) > limit:
        return replace(reply, text="".join(words[:limit]), finish_reason="length")
    return replace(reply, text=None if reply.text is None else text)


def tool_call(given: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call as the protocol has it, from that form or from `{"name", "arguments"}`."""
    function = dict(given.get("function", given))
    arguments = function.get("arguments", {})
    return {
        "id": given.get("id") or f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {
            "name": function["name"],
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
        },
    }


def head(reply: Reply, kind: str) -> dict[str, Any]:
    """What every body of one answer begins with."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:29]}",
        "object": kind,
        "created": int(time.time()),
        "model": reply.model,
        "system_fingerprint": None,
    }


def completion(body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = reply.tool_calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": logprobs(body, reply, WORD.findall(reply.text or "")),
        "finish_reason": reply.finish_reason,
    }
    return head(reply, "chat.completion") | {"choices": [choice], "usage": usage(body, reply)}


def chunks(body: Mapping[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    """The same answer in pieces: the role, the words, the reason to stop and what it cost."""
    counted = (body.get("stream_options") or {}).get("include_usage", False)
    start = head(reply, "chat.completion.chunk") | ({"usage": None} if counted else {})

    def chunk(
        delta: Mapping[str, Any], odds: object = None, reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": odds, "finish_reason": reason}
        return start | {"choices": [choice]}

    opener = None if reply.text is None else ""
    yield chunk({"role": "assistant", "content": opener, "refusal": None})
    words = WORD.findall(reply.text or "")
    for i in range(0, len(words), WORDS_A_CHUNK):
        some = words[i : i + WORDS_A_CHUNK]
        yield chunk({"content": "".join(some)}, logprobs(body, reply, some, i))
    for index, tool in enumerate(reply.tool_calls):
        function = tool["function"]
        named = tool | {"index": index, "function": function | {"arguments": ""}}
        yield chunk({"tool_calls": [named]})
        for part in WORD.findall(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    yield chunk({}, reason=reply.finish_reason)
    if counted:
        yield start | {"choices": [], "usage": usage(body, reply)}


def logprobs(
    body: Mapping[str, Any], reply: Reply, words: Sequence[str], start: int = 0
) -> dict[str, Any] | None:
    """What the model nearly said in place of these words, if the client asked."""
    if not body.get("logprobs"):
        return None
    top = body.get("top_logprobs") or 0
    odds = [*reply.logprobs[start : start + len(words)], *({} for _ in words)]
    return {
        "content": [token(w, o, top) for w, o in zip(words, odds, strict=False)],
        "refusal": None,
    }


def token(word: str, odds: Mapping[str, float], top: int) -> dict[str, Any]:
    """One token with its likeliest rivals; a token without scripted odds is certain."""

    def entry(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": [*text.encode(errors="surrogatepass")]}

    rivals = sorted((odds or {word: 0.0}).items(), key=lambda pair: -pair[1])[:top]
    itself = entry(word, odds.get(word.strip(), 0.0))
    return itself | {"top_logprobs": [entry(*pair) for pair in rivals]}


def usage(body: Mapping[str, Any], reply: Reply) -> dict[str, int]:
    """What the answer cost, a word being a token."""
    asked = sum(len(spoken(message).split()) for message in body["messages"])
    said = len((reply.text or "").split())
    called = sum(len(t["function"]["arguments"].split()) for t in reply.tool_calls)
    return {
        "prompt_tokens": asked,
        "completion_tokens": said + called,
        "total_tokens": asked + said + called,
    }


def spoken(message: Mapping[str, Any]) -> str:
    """The text of a message, whether it is one string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def opening(events: list[bytes]) -> list[bytes]:
    """The role and the first words: what has arrived when a stream breaks."""
    return events[: min(2, len(events) - 2)]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with one call; this one leaves all as it is."""

    def spoil(self, reply: Reply) -> Reply:
        """The reply that is sent in place of the right one."""
        return reply

    def whole(self, body: bytes) -> bytes:
        """The bytes that are sent in place of a whole answer."""
        return body

    def stream(self, events: list[bytes]) -> list[bytes]:
        """The events that are sent in place of a stream."""
        return events


@dataclass(frozen=True)
class Always:
    """The fault of this call and of every later one."""

    fault: Fault


@dataclass(frozen=True)
class Empty(Fault):
    """The answer is an empty string."""

    def spoil(self, reply: Reply) -> Reply:
        return replace(reply, text="", tool_calls=())


@dataclass(frozen=True)
class NullContent(Fault):
    """The answer is null, with no tool calls to excuse it."""

    def spoil(self, reply: Reply) -> Reply:
        return replace(reply, text=None, tool_calls=())


@dataclass(frozen=True)
class Surrogate(Fault):
    """The answer ends in half an emoji: valid JSON, no valid Unicode."""

    def spoil(self, reply: Reply) -> Reply:
        return replace(reply, text=f"{reply.text or ''} \ud83d")


@dataclass(frozen=True)
class ContentFilter(Fault):
    """The answer is held back; `Status(400, code="content_filter")` refuses the prompt instead."""

    def spoil(self, reply: Reply) -> Reply:
        return replace(reply, text="", tool_calls=(), finish_reason="content_filter")


@dataclass(frozen=True)
class WrongModel(Fault):
    """The answer comes from another model than the one that was asked."""

    name: str

    def spoil(self, reply: Reply) -> Reply:
        return replace(reply, model=self.name)


@dataclass(frozen=True)
class Garbage(Fault):
    """A success that is no JSON; give `content_type="text/html"` for a proxy's own page."""

    text: str = "<html>upstream is tired</html>"
    content_type: str = "application/json"

    def whole(self, body: bytes) -> bytes:
        return self.text.encode()

    def stream(self, events: list[bytes]) -> list[bytes]:
        return [*opening(events), f"data: {self.text}\n\n".encode(), DONE]


@dataclass(frozen=True)
class MidStreamError(Fault):
    """A success that turns into an error: after the first words, or instead of the body."""

    message: str = "The server had an error while processing your request."

    def whole(self, body: bytes) -> bytes:
        return json.dumps(error_body(self.message, "server_error")).encode()

    def stream(self, events: list[bytes]) -> list[bytes]:
        return [*opening(events), event(error_body(self.message, "server_error"))]


@dataclass(frozen=True)
class Cut(Fault):
    """The answer stops halfway and the transport calls it complete: no finish reason, no DONE."""

    def whole(self, body: bytes) -> bytes:
        return body[: len(body) // 2]

    def stream(self, events: list[bytes]) -> list[bytes]:
        return opening(events)


@dataclass(frozen=True)
class TruncatedBody(Cut):
    """The answer stops halfway, the connection closes, and more had been promised."""


@dataclass(frozen=True)
class Raw(Fault):
    """A success with exactly these bytes, whether the client wants a stream or not."""

    body: bytes
    content_type: str = "application/json"
    encoding: str | None = None

    def whole(self, body: bytes) -> bytes:
        return self.body

    def stream(self, events: list[bytes]) -> list[bytes]:
        return [self.body]

    @property
    def headers(self) -> dict[str, str]:
        """What is said of the bytes."""
        encoded = {"Content-Encoding": self.encoding} if self.encoding else {}
        return {"Content-Type": self.content_type, **encoded}


@dataclass(frozen=True)
class Slow(Fault):
    """A straggler: so many seconds more than the latency, then a normal answer."""

    seconds: float


@dataclass(frozen=True)
class Drip(Fault):
    """A trickle: so many seconds between two chunks, or between two pieces of a whole body."""

    seconds_per_chunk: float


@dataclass(frozen=True)
class Gate(Fault):
    """The first words, and the rest of the stream once the test opens the gate."""

    opened: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Endless(Fault):
    """A stream that goes on until the client closes the connection."""


@dataclass(frozen=True)
class Hang(Fault):
    """The call is accepted and never answered."""


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset before the first byte."""


KINDS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    408: ("timeout", None),
    429: ("requests", "rate_limit_exceeded"),
}


@dataclass(frozen=True)
class Status(Fault):
    """An HTTP error in OpenAI's shape; `code` is the word in the body, not the number."""

    status: int
    retry_after: float | None = None
    message: str = "The provider was told to fail."
    code: str | None = None

    @property
    def body(self) -> bytes:
        """The error, with the type and the code that OpenAI gives to this status."""
        kind, code = KINDS.get(self.status, ("server_error", None))
        return json.dumps(error_body(self.message, kind, self.code or code)).encode()

    @property
    def headers(self) -> dict[str, str]:
        """What the client is told about a retry."""
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}


@dataclass(frozen=True)
class Redirect(Status):
    """The client is sent elsewhere."""

    status: int = 307
    location: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Where it is sent."""
        return {"Location": self.location}
