"""HTTP as uvicorn speaks it, but what is no HTTP is refused in OpenAI's shape too."""

import json
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from moagraph.server.protocol_errors import ApiError

HEADERS_MOST = 64 * 2**10
# What is still heard of a client that was refused: hung up on at once, it would not read why.
THROWN_MOST = 8 * 2**20
LINGER = 2.0


class Wire(H11Protocol):
    """A connection."""

    _thrown: int | None = None

    def data_received(self, data: bytes) -> None:
        """Hear, or throw away what comes behind a refusal."""
        if self._thrown is None:
            super().data_received(data)
            return
        self._thrown += len(data)
        if self._thrown > THROWN_MOST:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be read, with the status that h11 thinks right."""
        self._thrown = 0
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        status = getattr(sys.exception(), "error_status_hint", 400)
        text = f"the headers are larger than {HEADERS_MOST:,} bytes" if status == 431 else msg
        self._answer(status, json.dumps(ApiError(status, text).body()).encode())
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _answer(self, status: int, body: bytes) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events = (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
