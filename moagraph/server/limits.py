"""What the server takes on: concurrent runs, waiting requests, the size of a body, CPU time."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from starlette.requests import Request

from moagraph.server.protocol_errors import ApiError

T = TypeVar("T")

RETRY_AFTER = 5
# An oversized body is read up to this multiple of the limit and discarded: a client that is
# still sending when the connection closes would not read the refusal.
DRAIN_FACTOR = 8
BODY_SECONDS = 30.0
# Up to here a request takes the event loop a few milliseconds; a larger one a worker thread.
INLINE_BYTES = 16 * 2**10
INLINE_MESSAGES = 128


class RunLimiter:
    """Limits concurrent runs; a bounded number of requests waits, the rest is refused."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        """Start with no request admitted.

        Args:
            max_running: Runs at the same time.
            max_waiting: Requests that wait for a free slot.
        """
        self._max_admitted = max_running + max_waiting
        self._admitted = 0
        self._slots = asyncio.Semaphore(max_running)

    async def __aenter__(self) -> None:
        """Wait for a slot; refuse at once if too many requests wait already."""
        if self._admitted >= self._max_admitted:
            raise ApiError(
                429,
                f"{self._admitted} requests run or wait here: ask again in {RETRY_AFTER} s",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        self._admitted += 1
        try:
            await self._slots.acquire()
        except BaseException:
            self._admitted -= 1
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the slot."""
        self._slots.release()
        self._admitted -= 1


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """Read the body of a JSON request; refuse it early if it is too large or too slow.

    The content type is checked because a web page may send any other type to this machine
    without asking first (CORS).

    Args:
        request: The request.
        max_bytes: The largest body that is accepted.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise ApiError(415, f"the body must be `application/json`, not {kind!r}")
    if _declared_length(request) > DRAIN_FACTOR * max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_body(request, max_bytes)
    except TimeoutError as error:
        message = f"the body was not complete after {BODY_SECONDS:g} s"
        raise ApiError(408, message, headers={"Connection": "close"}) from error


async def run_cpu_work(work: Callable[[], T], *, large: bool) -> T:
    """Parse or convert a request, outside the event loop if it is large."""
    return await asyncio.to_thread(work) if large else work()


async def _read_body(request: Request, max_bytes: int) -> bytes:
    body, size = bytearray(), 0
    async for block in request.stream():
        size += len(block)
        if size > DRAIN_FACTOR * max_bytes:
            break
        if size <= max_bytes:
            body += block
        else:
            body.clear()
    if size > max_bytes:
        raise _too_large(max_bytes)
    return bytes(body)


def _declared_length(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _too_large(max_bytes: int) -> ApiError:
    message = f"the body is larger than {max_bytes:,} bytes"
    return ApiError(413, message, headers={"Connection": "close"})
