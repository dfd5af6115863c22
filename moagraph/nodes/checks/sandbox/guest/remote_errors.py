"""Errors that the answer's code raises, as the tests can catch them."""

import builtins
import sys
from typing import Any, NamedTuple

from moagraph.nodes.checks.sandbox.guest.remote_objects import Link


class Origin(NamedTuple):
    """Where an error comes from: its number there, what it says, and the answer's line."""

    link: Link
    number: int
    text: str
    line: int | None


class RemoteErrorClass(type):
    """The kind of a class of errors that the answer's code defines."""

    number: int
    link: Link

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make one there."""
        return cls.link.request("call", cls, *args, **kwargs)


class RemoteError(BaseException, metaclass=RemoteErrorClass):
    """An error of a class that the answer's code defines."""

    def __getattr__(self, name: str) -> Any:
        """Ask for what its class has given it."""
        source = origin(self)
        if source is None or name.startswith("__"):
            raise AttributeError(name)
        return source.link.request("getattr", self, name)

    def __str__(self) -> str:
        """What it says there."""
        source = origin(self)
        return source.text if source else super().__str__()


_ORIGIN = "_moagraph_origin"


def origin(error: BaseException) -> Origin | None:
    """Where it comes from; None for one that the tests have raised."""
    source: Origin | None = vars(error).get(_ORIGIN)
    return source


def make_class(link: Link, number: int, name: str, bases: list[type]) -> RemoteErrorClass:
    """A class that stands for one of the answer's, under the same classes of Python's."""
    own = [base for base in bases if issubclass(base, BaseException)] or [Exception]
    mixed = any(issubclass(base, RemoteError) for base in own)
    error_class = RemoteErrorClass(name, (*own,) if mixed else (RemoteError, *own), {})
    error_class.link, error_class.number = link, number
    return error_class


def make_error(kind: type, args: list[Any], source: Origin) -> BaseException:
    """An error as it was raised there, made without a call of the answer's."""
    try:
        error: BaseException = kind.__new__(kind, *args)
        error.args = tuple(args)
    except Exception:  # a class that asks for other values
        error = RuntimeError(f"{kind.__name__}: {source.text}")
    setattr(error, _ORIGIN, source)
    return error


def standard_class(module: str, name: str) -> type | None:
    """A class that both sides have: of Python's own, or an error of a module loaded here.

    Those that tell a test runner what to do are not the answer's to raise.
    """
    if module == "builtins":
        builtin = getattr(builtins, name, None)
        return builtin if isinstance(builtin, type) else None
    candidate = getattr(sys.modules.get(module), name, None)
    package = module.partition(".")[0]
    library = package in sys.stdlib_module_names and package not in ("unittest", "doctest")
    raised = isinstance(candidate, type) and issubclass(candidate, BaseException)
    return candidate if raised and library else None
