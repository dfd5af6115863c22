"""uvicorn's HTTP connection, with malformed requests refused in OpenAI's JSON form."""

import json
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from moagraph.server.protocol_errors import ApiError

MAX_HEADER_BYTES = 64 * 2**10
# What is read and discarded after a refusal: a client that is still sending when the connection
# closes would not read the reason.
MAX_DISCARDED_BYTES = 8 * 2**20
LINGER_SECONDS = 2.0


class HttpConnection(H11Protocol):
    """One connection."""

    _discarded: int | None = None

    def data_received(self, data: bytes) -> None:
        """Parse the data, or discard it after a refusal."""
        if self._discarded is None:
            super().data_received(data)
            return
        self._discarded += len(data)
        if self._discarded > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request, with the status that h11 suggests."""
        self._discarded = 0
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        status = getattr(sys.exception(), "error_status_hint", 400)
        text = f"the headers are larger than {MAX_HEADER_BYTES:,} bytes" if status == 431 else msg
        self._send_json(status, json.dumps(ApiError(status, text).body()).encode())
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _send_json(self, status: int, body: bytes) -> None:
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
