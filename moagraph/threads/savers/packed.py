"""The engine's serializer, with what is long packed: a turn of 18 answers takes half the room."""

import zlib
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

SHORT = 200
MARK = ".z"


class Packed(JsonPlusSerializer):
    """A subclass, so that the engine's lists of allowed types hold; it reads what is not packed."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Pack what gets shorter by it."""
        kind, data = super().dumps_typed(obj)
        if len(data) > SHORT and len(packed := zlib.compress(data)) < len(data):
            return kind + MARK, packed
        return kind, data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Unpack what was packed."""
        kind, packed = data
        if kind.endswith(MARK):
            return super().loads_typed((kind.removesuffix(MARK), zlib.decompress(packed)))
        return super().loads_typed(data)
