"""Server-sent events, for as long as the client listens; a client that leaves ends its run."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from moagraph.nodes.state import Json
from moagraph.server.protocol_errors import to_api_error

T = TypeVar("T")
# Encoded events; an exception that ended them, or None at their end.
EventQueue: TypeAlias = asyncio.Queue[bytes | Exception | None]

MAX_QUEUED_EVENTS = 64  # for a slow client, before its run waits too
KEEP_ALIVE = b": keep-alive\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


def encode_event(data: Json, name: str | None = None) -> bytes:
    """Encode one event.

    Args:
        data: The event's JSON.
        name: The event's name, for clients that dispatch by it.
    """
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def encode_comment(text: str) -> bytes:
    """Encode a comment, which clients skip."""
    return f": {text}\n\n".encode()


async def run_while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await the work, and cancel it if the client disconnects.

    Args:
        receive: The request's ASGI channel.
        work: What to run.

    Raises:
        ClientDisconnect: The client went away first.
    """
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for pending in (task, disconnect):
            pending.cancel()
        await asyncio.gather(task, disconnect, return_exceptions=True)


class EventStreamResponse(Response):
    """A stream of events; headers are sent with the first one, so an early error has a status."""

    def __init__(self, events: AsyncGenerator[bytes], keep_alive_seconds: float) -> None:
        """Prepare the response; nothing runs before it is sent.

        Args:
            events: The encoded events.
            keep_alive_seconds: After so long without an event, a comment is sent.
        """
        self.events, self.keep_alive_seconds = events, keep_alive_seconds
        self.background = None
        self.status_code = 200
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until their end or until the client disconnects."""
        try:
            await run_while_connected(receive, self._send_events(send))
        except ClientDisconnect:
            return

    async def _send_events(self, send: Send) -> None:
        queue: EventQueue = asyncio.Queue(MAX_QUEUED_EVENTS)
        producer = asyncio.ensure_future(self._fill(queue))
        started = False
        try:
            while (event := await self._next_event(queue)) is not None:
                if isinstance(event, Exception):
                    if not started:
                        raise event
                    event = encode_event(to_api_error(event).body())
                if not started:
                    started = True
                    head = {"status": self.status_code, "headers": self.raw_headers}
                    await send({"type": "http.response.start", **head})
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            producer.cancel()
            await asyncio.gather(producer, return_exceptions=True)

    async def _fill(self, queue: EventQueue) -> None:
        """Produce events ahead of the client, as many as the queue holds."""
        try:
            async with aclosing(self.events) as events:
                async for event in events:
                    await queue.put(event)
        except Exception as error:
            await queue.put(error)
        await queue.put(None)

    async def _next_event(self, queue: EventQueue) -> bytes | Exception | None:
        """The next event, or a keep-alive comment if there is none for a while."""
        try:
            async with asyncio.timeout(self.keep_alive_seconds):
                return await queue.get()
        except TimeoutError:
            return KEEP_ALIVE


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
