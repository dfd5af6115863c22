"""Server-sent events: the JSON objects of a stream, or a JSON body that came in its place."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from moagraph.nodes.models.chat_completions import Json, parse_json

DONE = b"[DONE]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BEGINNING = 64  # bytes in which the first brace of a JSON body must stand


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[Json]:
    """Each event's object, up to the mark at the end; a body that is JSON is the only one."""
    reader = EventReader()
    async for piece in pieces:
        for event in reader.feed(piece):
            if event == DONE:
                return
            yield parse_json(event)
    if (rest := reader.rest()) and rest != DONE:
        yield parse_json(rest)


class EventReader:
    """Joins pieces to lines and lines to events, whatever the pieces break apart."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        self._line = bytearray()
        self._data: list[bytes] = []
        self._is_stream = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of the events that the piece completes."""
        self._line += piece
        if b"\n" not in piece or self._is_json():
            return
        *lines, last = self._line.split(b"\n")
        self._line = bytearray(last)
        for line in lines:
            if event := self._read(bytes(line)):
                yield event

    def rest(self) -> bytes:
        """What is left at the end: a JSON body, or an event without its empty line."""
        if self._is_json():
            return bytes(self._line)
        return self._read(bytes(self._line)) or self._read(b"") or b""

    def _is_json(self) -> bool:
        start = bytes(self._line[:BEGINNING]).removeprefix(BYTE_ORDER_MARK).lstrip()
        return not self._is_stream and start[:1] == b"{"

    def _read(self, line: bytes) -> bytes | None:
        """The event that an empty line ends; what other lines hold is added to the event."""
        line = line.rstrip(b"\r").removeprefix(BYTE_ORDER_MARK)
        if not line:
            event = b"\n".join(self._data)
            self._data.clear()
            return event or None
        self._is_stream = True
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return None
