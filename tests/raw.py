"""Responses of chat completions as bytes, of which a test can change whatever it likes."""

import json
from collections.abc import Sequence
from typing import Any

from tests.faults import DONE, Raw
from tests.faults import event as event

EVENTS = "text/event-stream"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}

Json = dict[str, Any]


def body_of(text: str | None = "an answer", **changes: Any) -> Json:
    """A whole answer; changes replace its top-level keys, `message` and `choice` go inside."""
    message = {"role": "assistant", "content": text, **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changes.pop("choice", {})}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "raw"}
    return {**head, "choices": [choice], "usage": USAGE, **changes}


def events_of(
    pieces: Sequence[str] = ("an ", "answer"), finish: Any = "stop", usage: Any = USAGE
) -> list[Json]:
    """A streamed answer, event by event, without the mark at its end."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "raw"}

    def chunk(delta: Json, reason: Any = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    told = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": p}) for p in pieces)]
    return [*told, chunk({}, finish), {**head, "choices": [], "usage": usage}]


def whole(body: Any) -> Raw:
    """The body as JSON; what JSON has no form for is written as Python does, as `NaN`."""
    return Raw(json.dumps(body).encode())


def stream(events: Sequence[Any]) -> Raw:
    """The events as a stream."""
    return Raw(b"".join(event(one) for one in events) + DONE, EVENTS)
