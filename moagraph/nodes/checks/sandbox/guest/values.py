"""Encode values as JSON: plain data by value, all else as references.

Numbers, strings, None, True and False are themselves; anything else is a list that begins with a
tag. Decoding runs no code of the other process: only the types listed here are created.
"""

import collections
import datetime
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

MAX_DEPTH = 100
_LONG_INT = 2**4096  # Python writes no decimals of longer ones
_SCALARS = (str, bool, float, type(None))
_MUTABLE: dict[str, type] = {kind.__name__: kind for kind in (list, dict, set, bytearray)}
_NUMPY_KINDS = "biufcSU"

# Types of the standard library that are data: how one is taken apart, and how it is made.
_DATA: dict[str, tuple[Callable[[Any], list[Any]], Callable[..., Any]]] = {
    "collections.Counter": (lambda v: [dict(v)], collections.Counter),
    "collections.OrderedDict": (lambda v: [list(v.items())], collections.OrderedDict),
    "collections.defaultdict": (
        lambda v: [dict(v)],
        lambda items: collections.defaultdict(None, items),
    ),
    "collections.deque": (lambda v: [list(v), v.maxlen], collections.deque),
    "datetime.date": (lambda v: [v.isoformat()], datetime.date.fromisoformat),
    "datetime.datetime": (lambda v: [v.isoformat()], datetime.datetime.fromisoformat),
    "datetime.time": (lambda v: [v.isoformat()], datetime.time.fromisoformat),
    "datetime.timedelta": (lambda v: [v.days, v.seconds, v.microseconds], datetime.timedelta),
    "decimal.Decimal": (lambda v: [str(v)], lambda text: _named("decimal.Decimal")(text)),
    "fractions.Fraction": (
        lambda v: [v.numerator, v.denominator],
        lambda top, bottom: _named("fractions.Fraction")(top, bottom),
    ),
    "pathlib.PosixPath": (lambda v: [str(v)], lambda text: _named("pathlib.PosixPath")(text)),
    "re.Pattern": (lambda v: [v.pattern, v.flags], lambda *v: _named("re.compile")(*v)),
    "uuid.UUID": (lambda v: [v.hex], lambda text: _named("uuid.UUID")(text)),
}


class Malformed(ValueError):
    """The data is not a valid encoding."""


class SharedValues:
    """The mutable values of one call, numbered the same way in both processes."""

    def __init__(self) -> None:
        """Start empty."""
        self.values: list[Any] = []
        self.closed = False  # whether new ones are left without a number
        self._numbers: dict[int, int] = {}

    def number(self, value: object) -> int | None:
        """Return the value's number, or None."""
        return self._numbers.get(id(value))

    def add(self, value: object) -> int:
        """Add the value and return its number."""
        self._numbers[id(value)] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1


class Codec:
    """Encodes and decodes values.

    `refer` encodes a reference, for what is not data; `resolve` decodes one.
    """

    def __init__(
        self, refer: Callable[[object], list[Any]], resolve: Callable[[str, list[Any]], object]
    ) -> None:
        """Use two functions for references."""
        self._refer, self._resolve = refer, resolve

    def encode(self, value: Any, shared: SharedValues | None = None, depth: int = 0) -> Any:
        """Encode a value; mutable ones are numbered in `shared`."""
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is int:
            return value if -_LONG_INT < value < _LONG_INT else ["int", hex(value)]
        if depth > MAX_DEPTH:
            raise ValueError("a value is nested too deeply to be handed over")
        if kind.__name__ in _MUTABLE and _MUTABLE[kind.__name__] is kind:
            earlier = shared.number(value) if shared else None
            if earlier is not None:
                return ["shared", earlier]
            number = shared.add(value) if shared and not shared.closed else None
            return [kind.__name__, number, self.contents(value, shared, depth)]
        return self._encode_immutable(value, kind, shared, depth + 1)

    def contents(self, value: Any, shared: SharedValues | None, depth: int = 0) -> Any:
        """Encode the contents of a mutable value."""
        if isinstance(value, bytearray):
            return value.hex()
        items = value.items() if isinstance(value, dict) else value
        return [self.encode(item, shared, depth + 1) for item in items]

    def _encode_immutable(
        self, value: Any, kind: type, shared: SharedValues | None, depth: int
    ) -> list[Any]:
        def every(items: Any) -> list[Any]:
            return [self.encode(item, shared, depth) for item in items]

        if kind in (tuple, frozenset):
            return [kind.__name__, every(value)]
        if kind is bytes:
            return ["bytes", value.hex()]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind in (range, slice):
            return [kind.__name__, *every([value.start, value.stop, value.step])]
        module = kind.__module__.partition("._")[0]  # `pathlib._local` is a part of `pathlib`
        name = f"{module}.{kind.__qualname__}"
        if name in _DATA and getattr(sys.modules.get(module), kind.__name__, None) is kind:
            return ["data", name, *every(_DATA[name][0](value))]
        if module == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") in _NUMPY_KINDS:
            plain = self.encode(value.tolist(), None, depth)
            return ["numpy", value.dtype.str, plain] if kind.__name__ == "ndarray" else plain
        return self._refer(value)

    def decode(self, data: Any, shared: SharedValues | None = None) -> Any:
        """Decode a value; numbered mutable ones are added to `shared`."""
        if not isinstance(data, list):
            return data
        tag, *parts = data
        if tag in _MUTABLE:
            value = _MUTABLE[tag]()
            if parts[0] is not None and shared is not None and shared.add(value) != parts[0]:
                raise Malformed("values are not in order")
            self.fill(value, parts[1], shared)
            return value
        if tag == "shared" and shared is not None:
            return shared.values[parts[0]]
        if tag in ("tuple", "frozenset"):
            items = self.every(parts[0], shared)
            return tuple(items) if tag == "tuple" else frozenset(items)
        return self._decode_immutable(tag, parts, shared)

    def every(self, items: Sequence[Any], shared: SharedValues | None = None) -> list[Any]:
        """Decode each of the values."""
        return [self.decode(item, shared) for item in items]

    def fill(self, value: Any, contents: Any, shared: SharedValues | None) -> None:
        """Replace the contents of a mutable value."""
        if isinstance(value, bytearray):
            value[:] = bytes.fromhex(contents)
            return
        items = self.every(contents, shared)
        if isinstance(value, list):
            value[:] = items
        else:
            value.clear()
            value.update(items)

    def _decode_immutable(self, tag: str, parts: list[Any], shared: SharedValues | None) -> Any:
        if tag == "int":
            return int(parts[0], 16)
        if tag == "bytes":
            return bytes.fromhex(parts[0])
        if tag == "complex":
            return complex(*parts)
        if tag == "range":
            return range(*self.every(parts))
        if tag == "slice":
            return slice(*self.every(parts, shared))
        if tag == "data" and parts[0] in _DATA:
            return _DATA[parts[0]][1](*self.every(parts[1:], shared))
        if tag == "numpy":
            return _array(parts[0], self.decode(parts[1]))
        return self._resolve(tag, parts)


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _array(dtype: str, items: Any) -> Any:
    if dtype[1:2] not in _NUMPY_KINDS or not dtype[2:].isdigit():
        raise Malformed("not an array of plain values")
    return _named("numpy.array")(items, dtype=dtype)
