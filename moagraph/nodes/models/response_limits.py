"""Limits on a provider's response: its size, and no redirect to another host.

A small response may expand to gigabytes, so it is decompressed here, piece by piece, and no
further than the limit. Between the pieces other tasks run.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

import openai

from moagraph.nodes.models.attempt import MEGABYTE, current
from moagraph.nodes.models.failures import BadResponse

PIECE = 4_096  # bytes in one piece: parsing one must not block the event loop for long
ERROR_BYTES = 64_000  # of the body of an error, of which one line is shown
STREAM_OVERHEAD = 16  # a stream sends some 250 bytes for a token of four
ENCODINGS = "gzip, deflate"  # only what can be decompressed in bounded pieces
AUTO_DETECT = 32 + zlib.MAX_WBITS  # gzip and zlib alike


async def check_response(response: Any) -> None:
    """Refuse a redirect to another host, and bound what can be read of the response.

    Called by the HTTP client with the headers, before a redirect is followed or a byte is read.
    """
    _check_redirect(response)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise BadResponse(f"it is encoded as {encoding!r:.40}, which was not offered")
    # Otherwise the HTTP client would decompress the body a second time.
    response.headers.pop("content-encoding", None)
    limit = ERROR_BYTES if response.is_error else current().max_bytes
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        limit *= STREAM_OVERHEAD  # events and text have their own limits in the parser
    response.stream = _stream_type()(response.stream, encoding, limit, response.is_error)


def _check_redirect(response: Any) -> None:
    if not response.has_redirect_location:
        return
    here, there = response.url, response.url.join(response.headers["location"])
    # The client would send the prompt along, and perhaps the key.
    if here.host != there.host or (here.port, here.scheme) != (there.port, there.scheme):
        raise BadResponse(
            f"the server redirects to `{there.scheme}://{there.netloc.decode()}`: redirects to "
            "another host are not followed",
            kind="refused",
        )


@cache
def _stream_type() -> type[Any]:
    """The class is derived from that of the HTTP library that the OpenAI client uses."""
    library = openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]
    base = __import__(library).AsyncByteStream

    class BoundedStream(base):  # type: ignore[misc, valid-type]
        """The decompressed body, cut at the limit.

        The limit counts decompressed bytes: a small response may expand to gigabytes.
        """

        def __init__(self, stream: Any, encoding: str, limit: int, truncate: bool) -> None:
            self._stream, self._encoding = stream, encoding
            self._limit, self._truncate = limit, truncate

        async def __aiter__(self) -> AsyncIterator[bytes]:
            total, decompressor = 0, None if self._encoding == "identity" else Decompressor()
            async for data in self._stream:
                for piece in decompressor.pieces(data) if decompressor else _split(data):
                    total += len(piece)
                    if total > self._limit and self._truncate:
                        return
                    if total > self._limit:
                        raise _too_large(self._limit)
                    yield piece
                    await asyncio.sleep(0)

        async def aclose(self) -> None:
            await self._stream.aclose()

    return BoundedStream


class Decompressor:
    """Decompresses gzip and zlib in pieces of a bounded size, and deflate without a header."""

    def __init__(self) -> None:
        """Start without a format; the first bytes decide it."""
        self._inflate: Any = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed data."""
        try:
            piece = self._first(data) if self._inflate is None else self._next(data)
            while piece:
                yield piece
                piece = self._next(self._inflate.unconsumed_tail)
        except zlib.error as error:
            raise BadResponse(f"its compression is broken: {error}") from error

    def _first(self, data: bytes) -> bytes:
        try:
            self._inflate = zlib.decompressobj(AUTO_DETECT)
            return self._next(data)
        except zlib.error:
            # Some servers send raw deflate data, without the zlib header.
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._next(data)

    def _next(self, data: bytes) -> bytes:
        piece: bytes = self._inflate.decompress(data, PIECE)
        return piece


def _split(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _too_large(limit: int) -> BadResponse:
    return BadResponse(
        f"it is larger than {limit / MEGABYTE:g} MB: `max_response_mb` of a recipe's seat, step "
        "or [defaults] allows more"
    )
