"""A turn as a chat completion: one body, or a stream of chunks with comments in between."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from moagraph.nodes.state import Json
from moagraph.server.chat.request import ChatRequest
from moagraph.server.event_stream import encode_comment, encode_event
from moagraph.server.message_format import replace_surrogates, tool_calls
from moagraph.server.run_stream import AnswerChunk, SeatAnswered, TurnEvent, TurnFinished
from moagraph.threads.result import read_result

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class ChatFormatter:
    """Formats one completion; its id and time are the same in every chunk."""

    request: ChatRequest
    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(14)}")
    started: float = field(default_factory=time.time)

    def body(self, turn: TurnFinished) -> Json:
        """Build the whole response."""
        calls = [
            {k: v for k, v in call.items() if k != "index"} for call in tool_calls(turn.message)
        ]
        text = replace_surrogates(turn.message.text)
        message: Json = {"role": "assistant", "content": text or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        elif not text:
            message["content"] = ""
        choice = {"index": 0, "message": message, "logprobs": None}
        choice["finish_reason"] = turn.finish_reason
        body = {**self._head("chat.completion"), "choices": [choice], "usage": turn.usage}
        return {**body, "moa": self._layers(turn)} if self._with_layers else body

    async def events(self, turn: AsyncGenerator[TurnEvent]) -> AsyncGenerator[bytes]:
        """Encode the turn's events.

        Nothing is sent before a seat's first usable answer: until then a failure can still be
        reported by the HTTP status.
        """
        started = False
        async with aclosing(turn):
            async for event in turn:
                if isinstance(event, SeatAnswered):
                    if event.usable:
                        yield self._progress(event)
                    continue
                if not started:
                    started = True
                    yield self._chunk({"role": "assistant", "content": ""})
                if isinstance(event, AnswerChunk):
                    yield self._chunk(_delta(event))
                else:
                    yield self._last_chunk(event)
        yield DONE

    @property
    def _with_layers(self) -> bool:
        return bool(self.request.moa and self.request.moa.layers)

    @property
    def _with_usage(self) -> bool:
        options = self.request.stream_options
        return bool(options and options.include_usage)

    def _progress(self, seat: SeatAnswered) -> bytes:
        """A comment, which every client skips; a chunk only for clients that requested it."""
        if not (self.request.moa and self.request.moa.progress):
            return encode_comment(f"L{seat.layer} {seat.done}/{seat.total}")
        progress: Json = {"layer": seat.layer, "done": seat.done, "of": seat.total}
        progress |= {"seat": seat.seat, "model": seat.model, "ok": seat.ok}
        return self._encode(choices=[], moa={"progress": progress})

    def _last_chunk(self, turn: TurnFinished) -> bytes:
        extra = {"moa": self._layers(turn)} if self._with_layers else {}
        last = self._chunk({}, turn.finish_reason, extra)
        return last + (self._encode(choices=[], usage=turn.usage) if self._with_usage else b"")

    def _chunk(self, delta: Json, finish: str | None = None, extra: Json | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._encode(choices=[choice], **(extra or {}))

    def _encode(self, **fields: Any) -> bytes:
        usage = {"usage": None} if self._with_usage else {}
        return encode_event({**self._head("chat.completion.chunk"), **usage, **fields})

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": int(self.started), "model": self.model}

    def _layers(self, turn: TurnFinished) -> Json:
        """The proposals, steps and costs behind the answer, as `--json` prints them."""
        details = read_result(
            turn.state,
            thread_id=(self.request.metadata or {}).get("thread_id", ""),
            recipe=self.model.removeprefix("moa/"),
            status="done",
            seconds=time.time() - self.started,
        ).as_json()
        del details["answer"]
        if not details["thread_id"]:
            del details["thread_id"]
        return details


def _delta(chunk: AnswerChunk) -> Json:
    text: Json = {"content": replace_surrogates(chunk.text)} if chunk.text else {}
    return {**text, "tool_calls": chunk.tool_calls} if chunk.tool_calls else text
