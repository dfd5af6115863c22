"""References between the answer's code and the tests, on the code's side."""

import builtins
import importlib
import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

from moagraph.nodes.checks.sandbox.guest.values import Codec, Malformed

Ask = Callable[[int, str, tuple[Any, ...], dict[str, Any]], Any]

_OWN_FILE = "answer.py"
# What a value is beside being of a class of the answer's: that part of it crosses as data.
_BASES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    tuple: lambda value: (*tuple.__iter__(value),),
    list: lambda value: [*list.__iter__(value)],
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: {*set.__iter__(value)},
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}


class TestObject:
    """A stand-in for an object of the tests, which lives in the other process."""

    def __init__(self, ask: Ask, number: int) -> None:
        """Refer to the object by its number."""
        object.__setattr__(self, "_handle", (ask, number))

    def __getattr__(self, name: str) -> Any:
        """Get the attribute in the other process."""
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set the attribute in the other process."""
        _ask(self, "setattr", name, value)


class TestFunction(TestObject):
    """A stand-in for a callable object of the tests."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the other process."""
        return _ask(self, "call", *args, **kwargs)


class TestIterator(TestObject):
    """A stand-in for an iterator of the tests."""

    def __iter__(self) -> "TestIterator":
        """Return itself."""
        return self

    def __next__(self) -> Any:
        """Get the next item from the other process."""
        return _ask(self, "next")


_KINDS = {"object": TestObject, "function": TestFunction, "iterator": TestIterator}


def _ask(target: TestObject, what: str, *args: Any, **kwargs: Any) -> Any:
    ask, number = object.__getattribute__(target, "_handle")
    return ask(number, what, args, kwargs)


class AnswerObjects:
    """The table of objects that the tests refer to, and the codec for references."""

    def __init__(self, ask: Ask) -> None:
        """Start empty; `ask` performs an operation on an object of the tests."""
        self.codec = Codec(self._refer, self._resolve)
        self._ask = ask
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._of_tests: dict[int, TestObject] = {}

    def keep(self, value: object) -> int:
        """Return the object's number, and keep the object alive."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._numbers[id(value)]

    def error(self, error: BaseException) -> list[Any]:
        """Encode an error: its class, arguments, text, number, and the answer's line."""
        try:
            args = [self.codec.encode(value) for value in error.args]
            text = str(error)
        except Exception:  # of its own class, or nothing that can be handed over
            args, text = [], type(error).__name__
        return ["error", self._class(type(error)), args, text, self.keep(error), _last_line(error)]

    def _refer(self, value: Any) -> list[Any]:
        if isinstance(value, TestObject):
            return ["test", object.__getattribute__(value, "_handle")[1]]
        if isinstance(value, BaseException):
            return self.error(value)
        if isinstance(value, type):
            return self._class(value)
        own = [kind for kind in type(value).__mro__ if not _is_standard(kind)]
        traits = [name for name in ("__call__", "__await__") if hasattr(type(value), name)]
        base = next((base for base in _BASES if isinstance(value, base)), None)
        plain = None if base is None else [self.codec.encode(_BASES[base](value))]
        kinds = [self.keep(kind) for kind in own]
        return ["object", self.keep(value), type(value).__name__, kinds, traits, plain]

    def _class(self, kind: type) -> list[Any]:
        if _is_standard(kind):
            return ["global", kind.__module__, kind.__qualname__]
        raised = issubclass(kind, BaseException)
        bases = [self._class(base) for base in kind.__bases__] if raised else None
        own = [self.keep(base) for base in kind.__mro__ if not _is_standard(base)]
        return ["class", self.keep(kind), kind.__name__, own, bases]

    def _resolve(self, tag: str, parts: list[Any]) -> Any:
        if tag == "yours":
            return self._objects[parts[0]]
        if tag == "global":
            return reduce(getattr, parts[1].split("."), importlib.import_module(parts[0]))
        if tag == "module":
            return importlib.import_module(parts[0])
        if tag == "test":
            number, kind = parts
            return self._of_tests.setdefault(number, _KINDS[kind](self._ask, number))
        if tag == "error":
            kind, args = self.codec.decode(parts[0]), self.codec.every(parts[1])
            return kind(*args)
        raise Malformed(f"no such value: {tag!r}")


def _is_standard(kind: type) -> bool:
    """Whether the other process has the same class: a builtin, or an error of the library."""
    if kind.__module__ == "builtins":
        return getattr(builtins, kind.__qualname__, None) is kind
    library = kind.__module__.partition(".")[0] in sys.stdlib_module_names
    return library and issubclass(kind, BaseException)


def _last_line(error: BaseException) -> int | None:
    """Return the innermost line of the answer's code in the traceback."""
    line, frame = None, error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == _OWN_FILE:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line
