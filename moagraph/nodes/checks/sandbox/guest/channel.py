"""Messages between two processes that do not trust each other: JSON through a pair of pipes."""

import json
import os
from typing import Any

MAX_MESSAGE = 16 * 2**20  # bytes


class Closed(BaseException):
    """The other process has ended or sent no valid message; tests cannot catch it as Exception."""


class Channel:
    """A stream of messages: a length of four bytes, then JSON."""

    def __init__(self, reader: int, writer: int) -> None:
        """Use two file descriptors."""
        self._reader, self._writer = reader, writer
        self._buffer = bytearray()  # what was read of the next message
        self.broken = False

    def send(self, message: object) -> None:
        """Send one message."""
        text = json.dumps(message).encode()
        if len(text) > MAX_MESSAGE:
            raise ValueError(f"{len(text):,} bytes are more than can be handed over")
        rest = memoryview(len(text).to_bytes(4, "big") + text)
        try:
            while rest:
                rest = rest[os.write(self._writer, rest) :]
        except OSError as error:
            raise self.gone() from error

    def receive(self) -> Any:
        """Receive one message."""
        try:
            length = int.from_bytes(self._take(4), "big")
            if length > MAX_MESSAGE:
                raise ValueError("a message is too long")
            return json.loads(self._take(length))
        except (OSError, ValueError, RecursionError) as error:
            raise self.gone() from error

    def gone(self) -> Closed:
        """Mark the channel as broken, and return the error to raise."""
        self.broken = True
        return Closed()

    def _take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            part = os.read(self._reader, 2**16)
            if not part:
                raise ValueError("the other side has ended")
            self._buffer += part
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data
