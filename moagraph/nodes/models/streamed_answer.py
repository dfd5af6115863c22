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

MANY = 8  # events that arrive at once, from which on their texts are joined


class StreamedAnswer:
    """What has arrived of one answer; `attempt` counts it and may stop it."""

    def __init__(self, attempt: Attempt, keys: Collection[str]) -> None:
        """Begin an answer in which the keys are hidden."""
        self.refusal: str | None = None
        self._attempt, self._keys = attempt, keys
        self._text = HeldText(keys)
        self._arguments: dict[int, HeldText] = {}
        self._named: set[int] = set()
        self._head: Json = {}
        self._finish: str | None = None

    def add(self, events: Sequence[Json]) -> Iterator[Json]:
        """The chunks that the events bring; those of many events at once are joined."""
        chunks = [chunk for event in events for chunk in self._chunks(event)]
        yield from chunks if len(events) <= MANY else _joined(chunks)

    def _chunks(self, event: Json) -> Iterator[Json]:
        """The chunk that the event brings, if it brings any text or call."""
        check_error(event)
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
        """What was held back, and how the answer ends."""
        rests = {index: text.end() for index, text in self._arguments.items()}
        calls = [
            {"index": index, "function": {"name": None, "arguments": rest}, "id": None}
            for index, rest in rests.items()
            if rest
        ]
        delta = {"content": self._text.end(), "tool_calls": calls}
        finish = "length" if self._attempt.stopped else self._finish
        yield {"choices": [{"delta": delta, "finish_reason": finish}], **self._head}

    def _chunk(self, delta: Json, logprobs: Json) -> Iterator[Json]:
        content = content_text(delta.get("content"))
        calls = clean_tool_calls(delta.get("tool_calls"))
        self._count(content, *(call["function"]["arguments"] for call in calls))
        chunk = {
            "content": self._text.feed(content),
            "tool_calls": [self._call(call) for call in calls],
        }
        if any(chunk.values()) or logprobs:
            yield {"choices": [{"delta": chunk, **logprobs}]}

    def _call(self, call: Json) -> Json:
        """The call's next arguments; its name and id only the first time."""
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
        most = attempt.max_tokens
        attempt.stopped = most is not None and estimated_tokens(attempt.received) > most


def _joined(chunks: Sequence[Json]) -> Iterator[Json]:
    """The same with one chunk for texts in a row: a fast server sends a chunk for each token."""
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
        """Nothing is held back yet."""
        self._keys = keys
        self._rest = ""

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        text = self._rest + piece
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        held = max((_overlap(text, key) for key in self._keys), default=0)
        if not held and text[-1:] and "\ud800" <= text[-1] <= "\udbff":
            held = 1
        self._rest = text[len(text) - held :]
        return clean_text(text[: len(text) - held])

    def end(self) -> str:
        """What was held back and is no key."""
        rest, self._rest = self._rest, ""
        return clean_text(rest)


def _overlap(text: str, key: str) -> int:
    """How many characters at the end of the text are the beginning of the key."""
    sizes = range(min(len(text), len(key) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(key[:size])), 0)
