"""A turn as a response of OpenAI's Responses API: one body, or a stream of named events."""

import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from moagraph.nodes.state import Json
from moagraph.server.event_stream import encode_comment, encode_event
from moagraph.server.message_format import replace_surrogates, tool_calls
from moagraph.server.responses.request import ResponseRequest
from moagraph.server.run_stream import AnswerChunk, SeatAnswered, TurnEvent, TurnFinished

# Why a response is incomplete, by the finish reason of a chat completion.
INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True)
class ResponseFormatter:
    """Formats one response; its ids and time are the same in every event."""

    request: ResponseRequest
    model: str
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    message_id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(24)}")
    started: float = field(default_factory=time.time)
    sequence: Iterator[int] = field(default_factory=count)

    def body(self, turn: TurnFinished) -> Json:
        """Build the whole response."""
        reason = INCOMPLETE_REASONS.get(turn.finish_reason)
        status = "incomplete" if reason else "completed"
        text, calls = replace_surrogates(turn.message.text), tool_calls(turn.message)
        messages = [self._message(text, status)] if text or not calls else []
        return {
            **self._head(status),
            "output": [*messages, *(_function_call(call, status) for call in calls)],
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": _usage(turn),
        }

    async def events(self, turn: AsyncGenerator[TurnEvent]) -> AsyncGenerator[bytes]:
        """Encode the turn's events; until the first one a failure still has its own status."""
        started = False
        async with aclosing(turn):
            async for event in turn:
                if isinstance(event, SeatAnswered):
                    if event.usable:
                        yield encode_comment(f"L{event.layer} {event.done}/{event.total}")
                elif isinstance(event, AnswerChunk):
                    if event.text:
                        for encoded in () if started else self._start():
                            yield encoded
                        started = True
                        delta = replace_surrogates(event.text)
                        yield self._text_event("delta", delta=delta, logprobs=[])
                else:
                    with_message = not event.message.tool_calls
                    for encoded in () if started else self._start(with_message):
                        yield encoded
                    for encoded in self._finish(event):
                        yield encoded

    def _start(self, with_message: bool = True) -> Iterator[bytes]:
        """Announce the response, and its message if there will be text."""
        response = {**self._head("in_progress"), "output": [], "usage": None}
        yield self._encode("response.created", response=response)
        yield self._encode("response.in_progress", response=response)
        if with_message:
            item = self._message("", "in_progress") | {"content": []}
            yield self._encode("response.output_item.added", output_index=0, item=item)
            part = _output_text("")
            yield self._encode("response.content_part.added", **self._text_path(), part=part)

    def _finish(self, turn: TurnFinished) -> Iterator[bytes]:
        """Complete every item, then the response."""
        response = self.body(turn)
        for index, item in enumerate(response["output"]):
            if item["type"] == "message":
                part = item["content"][0]
                yield self._text_event("done", text=part["text"], logprobs=[])
                yield self._encode("response.content_part.done", **self._text_path(), part=part)
            else:
                yield from self._function_call_events(index, item)
            yield self._encode("response.output_item.done", output_index=index, item=item)
        yield self._encode(f"response.{response['status']}", response=response)

    def _function_call_events(self, index: int, item: Json) -> Iterator[bytes]:
        opened = item | {"arguments": "", "status": "in_progress"}
        yield self._encode("response.output_item.added", output_index=index, item=opened)
        path = {"item_id": item["id"], "output_index": index}
        kind, arguments = "response.function_call_arguments", item["arguments"]
        yield self._encode(f"{kind}.delta", **path, delta=arguments)
        yield self._encode(f"{kind}.done", **path, name=item["name"], arguments=arguments)

    def _text_event(self, kind: str, **fields: Any) -> bytes:
        return self._encode(f"response.output_text.{kind}", **self._text_path(), **fields)

    def _text_path(self) -> Json:
        return {"item_id": self.message_id, "output_index": 0, "content_index": 0}

    def _encode(self, kind: str, **fields: Any) -> bytes:
        return encode_event({"type": kind, "sequence_number": next(self.sequence), **fields}, kind)

    def _message(self, text: str, status: str) -> Json:
        head: Json = {"id": self.message_id, "type": "message", "role": "assistant"}
        return {**head, "status": status, "content": [_output_text(text)]}

    def _head(self, status: str) -> Json:
        """The fields that repeat the request, and those that are the same in every response."""
        fields = self.request.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={"metadata", "text", "tool_choice", "tools"},
        )
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.started),
            "status": status,
            "model": self.model,
            "error": None,
            "incomplete_details": None,
            "instructions": self.request.instructions,
            "max_output_tokens": self.request.max_output_tokens,
            "metadata": fields.get("metadata", {}),
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "temperature": self.request.temperature,
            "text": fields.get("text", {"format": {"type": "text"}}),
            "tool_choice": fields.get("tool_choice", "auto"),
            "tools": fields.get("tools", []),
            "top_p": self.request.top_p,
        }


def _output_text(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _function_call(call: Json, status: str) -> Json:
    function = call["function"]
    return {
        "id": f"fc_{secrets.token_hex(24)}",
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
        "status": status,
    }


def _usage(turn: TurnFinished) -> Json:
    usage = turn.usage
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
