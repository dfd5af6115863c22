"""A turn in the form of OpenAI's responses: one body, or a stream of named events."""

import json
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from moagraph.nodes.state import Json
from moagraph.server.chat.response import clean
from moagraph.server.responses.request import ResponseRequest
from moagraph.server.run_stream import End, Event, Piece, Seat, calls

WHY = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True)
class Told:
    """How one response is told; its names and its time are the same in every event."""

    asked: ResponseRequest
    model: str
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    message: str = field(default_factory=lambda: f"msg_{secrets.token_hex(24)}")
    began: float = field(default_factory=time.time)
    numbers: Iterator[int] = field(default_factory=count)

    def whole(self, end: End) -> Json:
        """The response in one body."""
        why = WHY.get(end.finish)
        status = "incomplete" if why else "completed"
        text = clean(end.message.text)
        said = [self._message(text, status)] if text or not end.message.tool_calls else []
        made = [_call(one, status) for one in calls(end.message)]
        return {
            **self._head(status),
            "output": [*said, *made],
            "incomplete_details": {"reason": why} if why else None,
            "usage": _usage(end),
        }

    async def events(self, turn: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
        """The answer in pieces; before the first of them a failure still has its own status."""
        text: str | None = None
        async with aclosing(turn):
            async for event in turn:
                if isinstance(event, Seat):
                    if event.usable:
                        yield f": L{event.layer} {event.done}/{event.of}\n\n".encode()
                elif isinstance(event, Piece):
                    if event.text:
                        for told in self._begin() if text is None else ():
                            yield told
                        text = (text or "") + event.text
                        yield self._piece("delta", delta=clean(event.text), logprobs=[])
                else:
                    for told in self._begin(opens=not calls(event.message)) if text is None else ():
                        yield told
                    for told in self._finish(event, text):
                        yield told

    def _begin(self, opens: bool = True) -> Iterator[bytes]:
        """The response has begun, and where there is text, its message."""
        begun = {**self._head("in_progress"), "output": [], "usage": None}
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        if opens:
            item = self._message("", "in_progress") | {"content": []}
            yield self._event("response.output_item.added", output_index=0, item=item)
            part = _text("")
            where = self._where()
            yield self._event("response.content_part.added", **where, part=part)

    def _finish(self, end: End, text: str | None) -> Iterator[bytes]:
        """Every item is closed, each call told whole, and the response with them."""
        whole = self.whole(end)
        for index, item in enumerate(whole["output"]):
            if item["type"] == "message":
                yield self._piece("done", text=item["content"][0]["text"], logprobs=[])
                where, part = self._where(), item["content"][0]
                yield self._event("response.content_part.done", **where, part=part)
            else:
                yield from self._called(index, item)
            yield self._event("response.output_item.done", output_index=index, item=item)
        yield self._event(f"response.{whole['status']}", response=whole)

    def _called(self, index: int, item: Json) -> Iterator[bytes]:
        opened = item | {"arguments": "", "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=index, item=opened)
        where = {"item_id": item["id"], "output_index": index}
        kind, said = "response.function_call_arguments", item["arguments"]
        yield self._event(f"{kind}.delta", **where, delta=said)
        yield self._event(f"{kind}.done", **where, name=item["name"], arguments=said)

    def _piece(self, kind: str, **said: Any) -> bytes:
        return self._event(f"response.output_text.{kind}", **self._where(), **said)

    def _where(self) -> Json:
        return {"item_id": self.message, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **said: Any) -> bytes:
        body = json.dumps({"type": kind, "sequence_number": next(self.numbers), **said})
        return f"event: {kind}\ndata: {body}\n\n".encode()

    def _message(self, text: str, status: str) -> Json:
        content = [_text(text)]
        told: Json = {"id": self.message, "type": "message", "role": "assistant"}
        return {**told, "status": status, "content": content}

    def _head(self, status: str) -> Json:
        asked = self.asked.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.began),
            "status": status,
            "model": self.model,
            "error": None,
            "incomplete_details": None,
            "instructions": self.asked.instructions,
            "max_output_tokens": self.asked.max_output_tokens,
            "metadata": asked.get("metadata", {}),
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "temperature": self.asked.temperature,
            "text": asked.get("text", {"format": {"type": "text"}}),
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools", []),
            "top_p": self.asked.top_p,
        }


def _text(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(one: Json, status: str) -> Json:
    said = one["function"]
    return {
        "id": f"fc_{secrets.token_hex(24)}",
        "type": "function_call",
        "call_id": one["id"],
        "name": said["name"],
        "arguments": said["arguments"],
        "status": status,
    }


def _usage(end: End) -> Json:
    took = end.usage
    return {
        "input_tokens": took["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": took["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": took["total_tokens"],
    }
