"""Bytes for as long as somebody listens: whoever goes away ends the work that was for him."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from moagraph.server.chat.response import event
from moagraph.server.protocol_errors import told

T = TypeVar("T")

AHEAD = 64  # events that may wait for a slow client before the run waits too
ALIVE = b": keep-alive\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class Gone(Exception):
    """The client has gone away: there is nobody to tell."""


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and stop in the middle of it if the client goes away."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Gone
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


class Streamed(Response):
    """Server-sent events; the status waits for the first one, so that a failure has its own."""

    def __init__(self, events: AsyncGenerator[bytes], alive: float) -> None:
        """Nothing runs before the server asks for it."""
        self.events, self.alive, self.background = events, alive, None
        self.status_code = 200
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end, or until nobody listens."""
        try:
            await unless_gone(receive, self._send(send))
        except Gone:
            return

    async def _send(self, send: Send) -> None:
        events: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(AHEAD)
        filling = asyncio.ensure_future(self._fill(events))
        begun = False
        try:
            while (said := await self._next(events)) is not None:
                if isinstance(said, Exception):
                    if not begun:
                        raise said
                    said = event(told(said).body())
                if not begun:
                    begun = True
                    head = {"status": self.status_code, "headers": self.raw_headers}
                    await send({"type": "http.response.start", **head})
                await send({"type": "http.response.body", "body": said, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _fill(self, queue: asyncio.Queue[bytes | Exception | None]) -> None:
        """Run ahead of the client by a bounded number of events."""
        try:
            async with aclosing(self.events) as events:
                async for said in events:
                    await queue.put(said)
        except Exception as error:
            await queue.put(error)
        await queue.put(None)

    async def _next(
        self, queue: asyncio.Queue[bytes | Exception | None]
    ) -> bytes | Exception | None:
        """The next event, or a sign of life where it takes long."""
        try:
            async with asyncio.timeout(self.alive):
                return await queue.get()
        except TimeoutError:
            return ALIVE


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
