"""A streamed answer, chunk by chunk, in the form that LangChain reads.

The end of the answer is told once, in the last chunk: LangChain adds up whatever comes twice, the
usage that some servers send with every chunk and the reason that others repeat.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from moagraph.nodes.models.attempt import MEGABYTE, Attempt
from moagraph.nodes.models.chat_completions import (
    Json,
    check_error,
    clean_finish_reason,
    clean_head,
    clean_logprobs,
    clean_text,
    clean_tool_calls,
    content_text,
    first_choice,
    refusal_of,
)
from moagraph.nodes.models.error_redaction import HIDDEN
from moagraph.nodes.models.failures import BadResponse
from moagraph.nodes.models.usage import estimated_tokens

MANY = 8  # events in one batch, from which on their texts are joined


class StreamedAnswer:
    """The received part of one answer; `attempt` counts it and may stop it."""

    def __init__(self, attempt: Attempt, keys: Collection[str]) -> None:
        """Start an answer in which the keys are redacted."""
        self.refusal: str | None = None
        self._attempt, self._keys = attempt, keys
        self._text = HeldText(keys)
        self._arguments: dict[int, HeldText] = {}
        self._named: set[int] = set()
        self._head: Json = {}
        self._finish: str | None = None

    def add(self, events: Sequence[Json]) -> Iterator[Json]:
        """Return the chunks of the events, joined if there are many."""
        chunks = [chunk for event in events for chunk in self._chunks(event)]
        yield from chunks if len(events) <= MANY else _joined(chunks)

    def _chunks(self, event: Json) -> Iterator[Json]:
        """Return the chunk of an event, if it has a text or a tool call."""
        check_error(event)
        # The usage may come in any event, mostly in one without a choice.
        self._head |= clean_head(event)
        choice = first_choice(event)
        if choice is None:
            return
        self._finish = clean_finish_reason(choice.get("finish_reason")) or self._finish
        self.refusal = refusal_of(event) or self.refusal
        # A server that does not stream sends a whole `message` in place of the `delta`.
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            yield from self._chunk(delta, clean_logprobs(choice.get("logprobs")))

    def end(self) -> Iterator[Json]:
        """Return the last chunks: the text that was held back, and the finish reason."""
        rests = {index: text.end() for index, text in self._arguments.items()}
        calls = [
            {"index": index, "function": {"name": None, "arguments": rest}, "id": None}
            for index, rest in rests.items()
            if rest
        ]
        delta = {"content": self._text.end(), "tool_calls": calls}
        # A stopped stream has no finish reason, and would be taken for a broken one.
        finish = "length" if self._attempt.stopped else self._finish
        yield {"choices": [{"delta": delta, "finish_reason": finish}], **self._head}

    def _chunk(self, delta: Json, logprobs: Json) -> Iterator[Json]:
        content = content_text(delta.get("content"))
        calls = clean_tool_calls(delta.get("tool_calls"))
        # Count before redaction: the limits apply to what the server has sent.
        self._count(content, *(call["function"]["arguments"] for call in calls))
        chunk = {
            "content": self._text.feed(content),
            "tool_calls": [self._call(call) for call in calls],
        }
        if any(chunk.values()) or logprobs:
            yield {"choices": [{"delta": chunk, **logprobs}]}

    def _call(self, call: Json) -> Json:
        """Return the next arguments of a tool call; LangChain appends a repeated name or id."""
        index, function = call["index"], dict[str, Any](call["function"])
        text = self._arguments.setdefault(index, HeldText(self._keys))
        function["arguments"] = text.feed(function["arguments"])
        if index in self._named:
            function["name"] = call["id"] = None
        if function["name"]:
            self._named.add(index)
        return {**call, "function": function}

    def _count(self, *texts: str) -> None:
        attempt = self._attempt
        attempt.received += sum(len(text.encode("utf-8", "replace")) for text in texts)
        if attempt.received > attempt.max_bytes:
            raise BadResponse(f"its text is larger than {attempt.max_bytes / MEGABYTE:g} MB")
        max_tokens = attempt.max_tokens
        attempt.stopped = max_tokens is not None and estimated_tokens(attempt.received) > max_tokens


def _joined(chunks: Sequence[Json]) -> Iterator[Json]:
    """Join consecutive texts into one chunk: a fast server sends one for each token."""
    text: list[str] = []
    for chunk in chunks:
        [choice] = chunk["choices"]
        if "logprobs" in choice or choice["delta"]["tool_calls"]:
            yield from _text_chunk(text)
            yield chunk
        else:
            text.append(choice["delta"]["content"])
    yield from _text_chunk(text)


def _text_chunk(text: list[str]) -> Iterator[Json]:
    if text:
        yield {"choices": [{"delta": {"content": "".join(text), "tool_calls": []}}]}
        text.clear()


class HeldText:
    """A text in pieces, of which so much is held back as may be the beginning of a key.

    Half of a character, which a piece may end with, is held back as well.
    """

    def __init__(self, keys: Collection[str]) -> None:
        """Start an empty text."""
        self._keys = keys
        self._rest = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be emitted now."""
        text = self._rest + piece
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        held = max((_overlap(text, key) for key in self._keys), default=0)
        if not held and text[-1:] and "\ud800" <= text[-1] <= "\udbff":
            held = 1
        self._rest = text[len(text) - held :]
        return clean_text(text[: len(text) - held])

    def end(self) -> str:
        """Return the rest of the text."""
        rest, self._rest = self._rest, ""
        return clean_text(rest)


def _overlap(text: str, key: str) -> int:
    """Return how many characters at the end of the text may begin the key."""
    sizes = range(min(len(text), len(key) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(key[:size])), 0)
