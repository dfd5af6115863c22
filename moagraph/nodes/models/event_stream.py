"""Server-sent events: the JSON objects of a stream, or a plain JSON body sent instead."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from moagraph.nodes.models.attempt import MEGABYTE
from moagraph.nodes.models.chat_completions import Json, parse_json
from moagraph.nodes.models.failures import BadResponse
from moagraph.nodes.models.value_counter import ValueCounter

DONE = b"[DONE]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BEGINNING = 64  # bytes in which the first brace of a JSON body is expected


async def read_events(
    pieces: AsyncIterator[bytes], max_bytes: int, counter: ValueCounter
) -> AsyncGenerator[list[Json]]:
    """Yield the events' objects, one list per piece, up to the end marker.

    Args:
        pieces: The bytes of the response.
        max_bytes: The largest event that is read.
        counter: Limits the values of one event.
    """
    reader = EventReader(max_bytes, counter)
    async for piece in pieces:
        events = list(reader.feed(piece))
        is_end = DONE in events
        yield [parse_json(event) for event in (events[: events.index(DONE)] if is_end else events)]
        if is_end:
            return
    if (rest := reader.rest()) and rest != DONE:
        yield [parse_json(rest)]


class EventReader:
    """Joins pieces into lines and lines into events; pieces may split either."""

    def __init__(self, max_bytes: int, counter: ValueCounter) -> None:
        """Start an empty stream."""
        self._max_bytes, self._counter = max_bytes, counter
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._is_stream = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that the piece completes."""
        self._line += piece
        self._check(len(self._line) + self._size)
        if b"\n" not in piece or self._is_json():
            self._counter.feed(piece)
            return
        *lines, last = self._line.split(b"\n")
        self._line = bytearray(last)
        self._counter.reset()
        self._counter.feed(bytes(last))
        for line in lines:
            if (line or self._data) and (event := self._read_line(bytes(line))):
                yield event

    def rest(self) -> bytes:
        """Return the rest: a JSON body, or an event without its final empty line."""
        if self._is_json():
            return bytes(self._line)
        return self._read_line(bytes(self._line)) or self._read_line(b"") or b""

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise BadResponse(f"an event is larger than {self._max_bytes / MEGABYTE:g} MB")

    def _is_json(self) -> bool:
        start = bytes(self._line[:BEGINNING]).removeprefix(BYTE_ORDER_MARK).lstrip()
        return not self._is_stream and start[:1] == b"{"

    def _read_line(self, line: bytes) -> bytes | None:
        """Add a line to the event; an empty line completes and returns it."""
        line = line.rstrip(b"\r").removeprefix(BYTE_ORDER_MARK)
        if not line:
            event = b"\n".join(self._data)
            self._data.clear()
            self._size = 0
            return event or None
        self._is_stream = True
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
        return None
