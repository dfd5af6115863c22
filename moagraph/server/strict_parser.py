"""h11's parser, restricted to requests that every HTTP implementation reads in the same way.

A proxy in front of the server may find other request boundaries than h11 in a request that is
ambiguous, and a client can use that to smuggle a second request past the proxy. Each ambiguity is
refused instead (docs/decisions/http-parser.md).
"""

import re
from typing import Any

import h11

MAX_HEAD_BYTES = 16 * 2**10
MAX_HEADER_LINES = 100
# Chunks below MIN_CHUNK_BYTES on average, after the first ones, cost more time than they carry.
MIN_CHUNK_BYTES = 256
FREE_CHUNKS = 256

END_OF_HEAD = re.compile(rb"\n\r?\n")
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
FOLDED_LINE = re.compile(rb"\n[ \t]")
FRAMING_HEADERS = (b"content-length", b"transfer-encoding")


class RefusedRequestError(h11.RemoteProtocolError):
    """A request that is refused before it is parsed; its text is for the client."""


class StrictParser(h11.Connection):
    """The server's side of a connection."""

    def __init__(self) -> None:
        """Start with an empty connection."""
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._chunks = self._chunk_bytes = 0

    def next_event(self) -> Any:
        """Parse the next event.

        Raises:
            RefusedRequestError: The head is too large or ambiguous, or the chunks are too small.
            h11.RemoteProtocolError: The request is malformed.
        """
        if self.their_state is h11.IDLE:
            self._chunks = self._chunk_bytes = 0
            check_head(self.trailing_data[0])
        event = super().next_event()
        if isinstance(event, h11.Data):
            self._count_chunk(event)
        return event

    def _count_chunk(self, event: h11.Data) -> None:
        self._chunks += event.chunk_start
        self._chunk_bytes += len(event.data)
        expected = (self._chunks - FREE_CHUNKS) * MIN_CHUNK_BYTES
        if self._chunk_bytes < expected:
            raise RefusedRequestError("the chunks of the body are too small")


def check_head(received: bytes) -> None:
    """Refuse a request line and headers that are too large or ambiguous.

    Args:
        received: What was received of a request: a part of its head, or the head and more.
    """
    end = END_OF_HEAD.search(received)
    head = received[: end.start()] if end else received
    if len(head) > MAX_HEAD_BYTES or head.count(b"\n") > MAX_HEADER_LINES:
        message = f"the headers are more than {MAX_HEAD_BYTES:,} bytes or {MAX_HEADER_LINES} lines"
        raise RefusedRequestError(message, error_status_hint=431)
    if BARE_LINE_FEED.search(received, 0, end.end() if end else len(head)):
        raise RefusedRequestError("each line must end in CR LF")
    if FOLDED_LINE.search(head):
        raise RefusedRequestError("a header must not continue on the next line")
    if end:
        _check_lines(head.rstrip(b"\r").split(b"\r\n"))


def _check_lines(lines: list[bytes]) -> None:
    version = lines[0].rpartition(b" ")[2]
    if version.startswith(b"HTTP/") and version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RefusedRequestError("the server speaks HTTP/1.1", error_status_hint=505)
    headers = [line.partition(b":") for line in lines[1:]]
    framing = [(n.lower(), value) for n, _, value in headers if n.lower() in FRAMING_HEADERS]
    if len(framing) > 1:
        raise RefusedRequestError("send one `Content-Length` or one `Transfer-Encoding`")
    for name, value in framing:
        if name == b"content-length" and not value.strip(b" \t").isdigit():
            raise RefusedRequestError("`Content-Length` must be one number")
        if name == b"transfer-encoding" and version == b"HTTP/1.0":
            raise RefusedRequestError("HTTP/1.0 has no `Transfer-Encoding`")
