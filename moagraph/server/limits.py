"""How much the server takes on: so many runs at once, so many waiting, so many bytes a body."""

import asyncio
from types import TracebackType

from starlette.requests import Request

from moagraph.server.protocol_errors import ApiError

RETRY_AFTER = 5
# What is read and thrown away of a body that is too large, so that its sender hears of it.
DRAINED = 8
BODY_SECONDS = 30.0


class Gate:
    """Lets a number of runs in, lets a number wait, and sends the rest away."""

    def __init__(self, running: int, waiting: int) -> None:
        """Nobody is in yet."""
        self._most = running + waiting
        self._inside = 0
        self._free = asyncio.Semaphore(running)

    async def __aenter__(self) -> None:
        """Wait for a place, or be refused at once where too many wait already."""
        if self._inside >= self._most:
            raise ApiError(
                429,
                f"{self._inside} requests run or wait here: ask again in {RETRY_AFTER} s",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        self._inside += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._inside -= 1
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Make room."""
        self._free.release()
        self._inside -= 1


async def json_body(request: Request, most: int) -> bytes:
    """The body of a JSON request, refused while it is read if it is too large or too slow.

    A page in a browser may send any other type to this machine without asking it first.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise ApiError(415, f"the body must be `application/json`, not {kind!r}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, most)
    except TimeoutError as error:
        raise ApiError(408, f"the body was not here after {BODY_SECONDS:g} s") from error


async def _read(request: Request, most: int) -> bytes:
    body, size = bytearray(), 0
    async for block in request.stream():
        size += len(block)
        if size > DRAINED * most:
            break
        body = body + block if size <= most else bytearray()
    if size > most:
        raise ApiError(
            413, f"the body is larger than {most:,} bytes", headers={"Connection": "close"}
        )
    return bytes(body)
