"""A turn in OpenAI's form: one body, or a stream of chunks with comments between."""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from moagraph.nodes.state import Json
from moagraph.server.chat.request import ChatRequest
from moagraph.server.run_stream import End, Event, Piece, Seat, calls
from moagraph.threads.result import read_result

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Shape:
    """How one completion is told; its number and its time are the same in every chunk."""

    asked: ChatRequest
    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(14)}")
    began: float = field(default_factory=time.time)

    def whole(self, end: End) -> Json:
        """The answer in one body."""
        tools = [{k: v for k, v in call.items() if k != "index"} for call in calls(end.message)]
        text = clean(end.message.text)
        message: Json = {"role": "assistant", "content": text or None, "refusal": None}
        if tools:
            message["tool_calls"] = tools
        elif not text:
            message["content"] = ""
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end.finish}
        body = {**self._head("chat.completion"), "choices": [choice], "usage": end.usage}
        return {**body, "moa": self._moa(end)} if self._tells else body

    async def events(self, turn: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
        """The answer in pieces; before the first usable answer of a seat nothing is told.

        Until then a failure still has a status of its own.
        """
        begun = False
        async with aclosing(turn):
            async for event in turn:
                if isinstance(event, Seat):
                    if event.usable:
                        yield self._progress(event)
                    continue
                if not begun:
                    begun = True
                    yield self._chunk({"role": "assistant", "content": ""})
                if isinstance(event, Piece):
                    yield self._chunk(_delta(event))
                else:
                    yield self._last(event)
        yield DONE

    @property
    def _tells(self) -> bool:
        return bool(self.asked.moa and self.asked.moa.layers)

    @property
    def _counts(self) -> bool:
        return bool(self.asked.stream_options and self.asked.stream_options.include_usage)

    def _progress(self, seat: Seat) -> bytes:
        """A comment that clients skip; as a field only for those who asked."""
        if not (self.asked.moa and self.asked.moa.progress):
            return f": L{seat.layer} {seat.done}/{seat.of}\n\n".encode()
        told: Json = {"layer": seat.layer, "done": seat.done, "of": seat.of}
        told |= {"seat": seat.seat, "model": seat.model, "ok": seat.ok}
        return self._event(choices=[], moa={"progress": told})

    def _last(self, end: End) -> bytes:
        last = self._chunk({}, end.finish, {"moa": self._moa(end)} if self._tells else {})
        return last + (self._event(choices=[], usage=end.usage) if self._counts else b"")

    def _chunk(self, delta: Json, finish: str | None = None, more: Json | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event(choices=[choice], **(more or {}))

    def _event(self, **said: Any) -> bytes:
        usage = {"usage": None} if self._counts else {}
        return event({**self._head("chat.completion.chunk"), **usage, **said})

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": int(self.began), "model": self.model}

    def _moa(self, end: End) -> Json:
        """How the answer came about."""
        came = read_result(
            end.state,
            thread_id=(self.asked.metadata or {}).get("thread_id", ""),
            recipe=self.model.removeprefix("moa/"),
            status="done",
            seconds=time.time() - self.began,
        ).as_json()
        del came["answer"]
        if not came["thread_id"]:
            del came["thread_id"]
        return came


def event(body: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def clean(text: str) -> str:
    """The text without half signs, which are no Unicode and break who reads them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _delta(piece: Piece) -> Json:
    said: Json = {"content": clean(piece.text)} if piece.text else {}
    return {**said, "tool_calls": piece.tools} if piece.tools else said
