"""uvicorn's HTTP connection, with limits on time and size and with errors in OpenAI's form."""

import asyncio
import json
import sys
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from moagraph.server.protocol_errors import ApiError
from moagraph.server.strict_parser import RefusedRequestError, StrictParser

# What is read and discarded after a refusal: a client that is still sending when the connection
# closes would not read the reason.
MAX_DISCARDED_BYTES = 8 * 2**20


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits on connections; the time for a body is the application's (limits.py).

    Attributes:
        connections: Open connections; the longest idle one makes room for a new one.
        head_seconds: Until a request's headers are complete.
        send_seconds: How long a client may stop reading in the middle of a response.
        linger_seconds: Until a closing connection is cut: for a client that is still sending, or
            does not read the rest.
    """

    connections: int = 512
    head_seconds: float = 5.0
    send_seconds: float = 30.0
    linger_seconds: float = 2.0


class Phase(Enum):
    """What a connection waits for: its client, which has a deadline, or the server."""

    IDLE = auto()  # the next request on a kept connection
    HEAD = auto()
    BODY = auto()
    UNREAD_BODY = auto()  # the rest of a body whose response is already sent
    CLOSING = auto()
    RESPONSE = auto()


class HttpConnection(H11Protocol):
    """One connection."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        """Create the connection as uvicorn does.

        Args:
            args: uvicorn's positional arguments.
            limits: The limits.
            kwargs: uvicorn's keyword arguments.
        """
        super().__init__(*args, **kwargs)
        self.conn = StrictParser()
        self.limits = limits
        self.phase = Phase.HEAD
        self.phase_started = self.loop.time()
        self._phase_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._discarded: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, in the place of an idle one if there are too many."""
        super().connection_made(transport)
        self._start_phase(Phase.HEAD)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        for timer in (self._phase_timer, self._send_timer):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, or discard it after a refusal."""
        if self._discarded is None:
            super().data_received(data)
            self._update_phase()
            return
        self._discarded += len(data)
        if self._discarded > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        super().on_response_complete()
        self._update_phase()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._update_phase()

    def pause_writing(self) -> None:
        """Give a client that does not read a deadline."""
        super().pause_writing()
        self._send_timer = self.loop.call_later(self.limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._send_timer:
            self._send_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request, with the status that the parser suggests."""
        error = sys.exception()
        message = str(error) if isinstance(error, RefusedRequestError) else msg
        self._refuse(ApiError(getattr(error, "error_status_hint", 400), message))

    def _update_phase(self) -> None:
        phase = self._current_phase()
        if phase is not self.phase:
            self._start_phase(phase)

    def _current_phase(self) -> Phase:
        if self.transport.is_closing() or self._discarded is not None:
            return Phase.CLOSING
        if self.conn.their_state is h11.IDLE:
            return Phase.HEAD if self.cycle is None or self.conn.trailing_data[0] else Phase.IDLE
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.UNREAD_BODY if self.cycle.response_complete else Phase.BODY
        return Phase.RESPONSE

    def _start_phase(self, phase: Phase) -> None:
        if self._phase_timer:
            self._phase_timer.cancel()
        self.phase, self.phase_started = phase, self.loop.time()
        deadline = {
            Phase.IDLE: (self.timeout_keep_alive, self.timeout_keep_alive_handler),
            Phase.HEAD: (self.limits.head_seconds, self._time_out_head),
            Phase.UNREAD_BODY: (self.limits.linger_seconds, self.transport.abort),
            Phase.CLOSING: (self.limits.linger_seconds, self.transport.abort),
        }.get(phase)  # the application limits the time for a body
        self._phase_timer = self.loop.call_later(*deadline) if deadline else None

    def _time_out_head(self) -> None:
        if self.conn.trailing_data[0]:
            seconds = self.limits.head_seconds
            self._refuse(ApiError(408, f"the headers were not complete after {seconds:g} s"))
        else:
            self.transport.close()

    def _make_room(self) -> None:
        """Cut the connection that waits longest for its client, or else refuse this one."""
        connections = cast("set[HttpConnection]", self.connections)
        others = [c for c in connections if c is not self and c.phase is not Phase.CLOSING]
        if len(others) < self.limits.connections:
            return
        waiting = [connection for connection in others if connection.phase is not Phase.RESPONSE]
        if waiting:
            victim = min(waiting, key=lambda c: (c.phase is Phase.BODY, c.phase_started))
            victim._start_phase(Phase.CLOSING)
            victim.transport.abort()
        elif len(connections) <= 2 * self.limits.connections:
            self._refuse(ApiError(503, "the server has too many connections: try again later"))
        else:
            self.transport.abort()

    def _refuse(self, error: ApiError) -> None:
        """Send the error if no response has begun, and close the connection."""
        self._discarded = 0
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send_json(error.status, json.dumps(error.body()).encode())
            self.transport.write_eof()
        else:
            self.transport.close()
        if self.cycle and not self.cycle.response_complete:  # the application must not answer too
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._start_phase(Phase.CLOSING)

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
