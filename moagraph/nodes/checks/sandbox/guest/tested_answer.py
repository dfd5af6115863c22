"""The tests' side of the connection to the answer's code."""

import importlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable, MappingView
from functools import reduce
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from moagraph.nodes.checks.sandbox.guest.channel import Channel
from moagraph.nodes.checks.sandbox.guest.remote_errors import (
    Origin,
    RemoteErrorClass,
    make_class,
    make_error,
    origin,
    standard_class,
)
from moagraph.nodes.checks.sandbox.guest.remote_objects import (
    Reference,
    Remote,
    RemoteClass,
    RemoteFunction,
    reference,
)
from moagraph.nodes.checks.sandbox.guest.values import Codec, Malformed, SharedValues

TESTS = "tests"  # the name of the module that the tests are run as
_BUFFERS = (io.StringIO, io.BytesIO)


class TestedAnswer:
    """Sends requests to the answer's code, and serves its requests for objects of the tests."""

    def __init__(self, channel: Channel) -> None:
        """Start without references."""
        self.channel = channel
        self.codec = Codec(self._refer, self._resolve)
        self._lock = threading.RLock()  # tests may have threads
        self._remotes: dict[tuple[int, bool], Any] = {}
        self._class_names: dict[int, set[str]] = {}
        self._own: list[Any] = []
        self._own_numbers: dict[int, int] = {}

    def module(self, number: int) -> Remote:
        """Return a proxy for the answer's module."""
        return Remote(Reference(self, number, "module", frozenset()))

    def request(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Perform an operation in the other process; changes of arguments are copied back."""
        with self._lock:
            shared = SharedValues()
            arguments = [self.codec.encode(value, shared) for value in args]
            named = [self.codec.encode(value, shared) for value in kwargs.values()]
            nonce = os.urandom(16).hex()  # so that no reply can be sent ahead of its request
            message = {"nonce": nonce, "operation": operation, "args": arguments}
            self.channel.send({**message, "names": list(kwargs), "values": named})
            while "object" in (reply := self._receive()):
                self._serve(reply)
            if reply.get("nonce") != nonce:
                raise self.channel.gone()
            return self._outcome(reply, shared, is_call=operation == "call")

    def name_class(self, remote: Remote, name: str) -> None:
        """Note a name under which the tests have accessed a class."""
        self._class_names.setdefault(reference(remote).number, set()).add(name)

    def mark_constructed(self, value: object, by: Remote) -> object:
        """Mark an object as constructed by the tests, if it is an instance of the class.

        A class that the tests call by a lower-case name stands in for a function, so its result
        is a value to compare and not an object under test.
        """
        if not isinstance(value, Remote) or type(value) is RemoteClass:
            return value
        details, maker = reference(value), reference(by)
        kind = {maker.number} if type(by) is RemoteClass else maker.kinds
        names = [name for number in kind for name in self._class_names.get(number, ())]
        if not kind & details.kinds or not names or not all(name[:1].isupper() for name in names):
            return value
        return self._remote(type(value), details._replace(constructed=True))

    def error(self, data: Any) -> BaseException:
        """Decode an error."""
        error = self.decode(data)
        if not isinstance(error, BaseException):
            raise self.channel.gone()
        return error

    def decode(self, data: Any, shared: SharedValues | None = None) -> Any:
        """Decode a value; anything else breaks the channel."""
        try:
            return self.codec.decode(data, shared)
        except Exception as error:
            raise self.channel.gone() from error

    def _receive(self) -> dict[str, Any]:
        reply = self.channel.receive()
        if not isinstance(reply, dict):
            raise self.channel.gone()
        return reply

    def _outcome(self, reply: dict[str, Any], shared: SharedValues, is_call: bool) -> Any:
        try:
            shared.closed = True
            sys.stdout.write(str(reply["printed"]))
            for number, contents in reply["changed"]:
                self.codec.fill(shared.values[number], contents, shared)
        except Exception as error:
            raise self.channel.gone() from error
        if "error" in reply:
            raised = self.error(reply["error"])
            if is_call and isinstance(raised, StopIteration):  # `map` in a test would just end
                raise RuntimeError("a function raised StopIteration") from raised
            raise raised
        return self.decode(reply.get("value"), shared)

    def _serve(self, message: dict[str, Any]) -> None:
        """Perform an operation on an object that the tests have passed to the code."""
        try:
            target = self._own[message["object"]]
            args = self.codec.every(message["args"])
            values = self.codec.every(message["values"])
            do = _SERVED[message["operation"]]
            value = do(target, *args, **dict(zip(message["names"], values, strict=True)))
            reply = {"value": self.codec.encode(value)}
        except Exception as error:
            reply = {"error": self._own_error(error)}
        self.channel.send(reply)

    def _own_error(self, error: Exception) -> list[Any]:
        if origin(error) is not None:
            return self._refer(error)
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        return ["error", ["global", "builtins", kind.__name__], [str(error)]]

    def _refer(self, value: Any) -> list[Any]:
        """Encode a reference to the answer's object, a standard function, or the tests' object."""
        if isinstance(value, Remote):
            return ["yours", reference(value).number]
        if isinstance(value, RemoteErrorClass):
            return ["yours", value.number]
        if isinstance(value, BaseException):
            source = origin(value)
            return ["yours", source.number] if source else self._own_error(value)  # type: ignore[arg-type]
        if isinstance(value, ModuleType):
            return ["module", value.__name__]
        if isinstance(value, MappingView) and isinstance(value, Iterable):
            items: list[Any] = self.codec.encode(list(value))
            return items
        if (name := _global_name(value)) is not None:
            return ["global", *name]
        return ["test", self._keep(value), _kind_of(value)]

    def _keep(self, value: object) -> int:
        if id(value) not in self._own_numbers:
            self._own_numbers[id(value)] = len(self._own)
            self._own.append(value)
        return self._own_numbers[id(value)]

    def _resolve(self, tag: str, parts: list[Any]) -> Any:
        """Decode a reference."""
        if tag == "object":
            number, name, kinds, traits, plain = parts
            values = () if plain is None else tuple(self.codec.every(plain))
            details = Reference(self, number, name, frozenset(kinds), values)
            if "__await__" in traits:
                return self._awaited(Remote(details))
            return self._remote(RemoteFunction if "__call__" in traits else Remote, details)
        if tag == "class":
            return self._class(*parts)
        if tag == "global" and (standard := standard_class(*parts)) is not None:
            return standard
        if tag == "error":
            kind, args, text, number, line = parts
            source = Origin(self, number, text, line)
            return make_error(self.codec.decode(kind), self.codec.every(args), source)
        if tag == "test":
            return self._own[parts[0]]
        raise Malformed(f"no such value: {tag!r}")

    def _class(self, number: int, name: str, kinds: list[int], bases: Any) -> Any:
        key = (number, False)
        if key not in self._remotes:
            if bases is None:
                self._remotes[key] = RemoteClass(Reference(self, number, name, frozenset(kinds)))
            else:
                self._remotes[key] = make_class(self, number, name, self.codec.every(bases))
        return self._remotes[key]

    def _remote(self, kind: type[Remote], details: Reference) -> Remote:
        """Return the one proxy for a number, so that `is` works, with its current description."""
        remote = self._remotes.setdefault((details.number, details.constructed), kind(details))
        object.__setattr__(remote, "_Remote__reference", details)
        return remote  # type: ignore[no-any-return]

    async def _awaited(self, remote: Remote) -> Any:
        return self.request("await", remote)


def _global_name(value: Any) -> tuple[str, str] | None:
    """Return module and name of a function or class that the other process can import."""
    if not isinstance(value, type | FunctionType | BuiltinFunctionType):
        return None
    module, name = getattr(value, "__module__", None), value.__qualname__
    if module in (None, TESTS) or "<" in name:
        return None
    try:
        resolved = reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        return None
    return (module, name) if resolved is value else None


def _kind_of(value: Any) -> str:
    """Classify an object of the tests by what the code may do with it."""
    if callable(value):
        return "function"
    if hasattr(value, "__next__"):
        return "iterator"
    if type(value).__module__ == TESTS or isinstance(value, _BUFFERS):
        return "object"
    raise TypeError(f"a `{type(value).__name__}` cannot be handed to the answer's code")


def _call(target: Any, *args: Any, **kwargs: Any) -> Any:
    _check(callable(target))
    return target(*args, **kwargs)


def _get(target: Any, name: str) -> Any:
    _check(_is_open(target, name))
    return getattr(target, name)


def _set(target: Any, name: str, value: object) -> None:
    _check(_is_open(target, name) and not callable(getattr(type(target), name, None)))
    setattr(target, name, value)


def _next(target: Any) -> Any:
    _check(hasattr(target, "__next__"))
    return next(target)


def _is_open(target: Any, name: str) -> bool:
    """Whether the code may use the attribute; none must lead to the tests' own namespace."""
    mine = type(target).__module__ == TESTS and not isinstance(target, type)
    return type(name) is str and not name.startswith("_") and (mine or isinstance(target, _BUFFERS))


def _check(allowed: bool) -> None:
    if not allowed:
        raise TypeError("the tests do not offer that")


_SERVED: dict[str, Callable[..., Any]] = {
    "call": _call,
    "getattr": _get,
    "setattr": _set,
    "next": _next,
}
