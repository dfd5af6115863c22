"""Count the values of a JSON text before it is parsed.

Parsing a few megabytes of `[],[],[],` takes seconds, in which no other task runs. A text is counted
while it arrives, a piece at a time, by what stands between its strings.
"""

from moagraph.nodes.models.failures import BadResponse

MAX_VALUES = 100_000  # an answer has a few dozen
MAX_VALUES_WITH_LOGPROBS = 2_000_000  # some ten for each token and for each alternative to it


class ValueCounter:
    """Counts the values of one text; raises BadResponse beyond the limit."""

    def __init__(self, limit: int = MAX_VALUES) -> None:
        """Start an empty text."""
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Start another text."""
        self._count, self._is_string, self._escape = 0, False, b""

    def feed(self, piece: bytes) -> None:
        """Count the values of the next piece."""
        piece = self._escape + piece
        ends_in_escape = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
        self._escape = b"\\" if ends_in_escape else b""
        if ends_in_escape:
            piece = piece[:-1]
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[1::2] if self._is_string else parts[::2])
        self._count += sum(map(outside.count, (b",", b"[", b"{")))
        self._is_string ^= len(parts) % 2 == 0
        if self._count > self._limit:
            raise BadResponse(f"it holds more than {self._limit:,} values")
