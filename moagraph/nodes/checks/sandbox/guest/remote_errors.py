"""Errors raised by the answer's code, in a form that the tests can catch."""

import builtins
import sys
from typing import Any, NamedTuple

from moagraph.nodes.checks.sandbox.guest.remote_objects import Link


class Origin(NamedTuple):
    """The origin of an error: its number in the other process, its text, the answer's line."""

    link: Link
    number: int
    text: str
    line: int | None


class RemoteErrorClass(type):
    """The metaclass of stand-ins for the answer's error classes."""

    number: int
    link: Link

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Create the error in the other process."""
        return cls.link.request("call", cls, *args, **kwargs)


class RemoteError(BaseException, metaclass=RemoteErrorClass):
    """The base of stand-ins for the answer's error classes."""

    def __getattr__(self, name: str) -> Any:
        """Get an attribute of the original error."""
        source = origin(self)
        if source is None or name.startswith("__"):
            raise AttributeError(name)
        return source.link.request("getattr", self, name)

    def __str__(self) -> str:
        """Return the text of the original error."""
        source = origin(self)
        return source.text if source else super().__str__()


_ORIGIN = "_moagraph_origin"


def origin(error: BaseException) -> Origin | None:
    """Return the error's origin; None for an error of the tests."""
    source: Origin | None = vars(error).get(_ORIGIN)
    return source


def make_class(link: Link, number: int, name: str, bases: list[type]) -> RemoteErrorClass:
    """Create a stand-in for an error class, with the same standard bases."""
    own = [base for base in bases if issubclass(base, BaseException)] or [Exception]
    mixed = any(issubclass(base, RemoteError) for base in own)
    error_class = RemoteErrorClass(name, (*own,) if mixed else (RemoteError, *own), {})
    error_class.link, error_class.number = link, number
    return error_class


def make_error(kind: type, args: list[Any], source: Origin) -> BaseException:
    """Create the error that the answer's code raised, without calling its constructor."""
    try:
        error: BaseException = kind.__new__(kind, *args)
        error.args = tuple(args)
    except Exception:  # a class that asks for other values
        error = RuntimeError(f"{kind.__name__}: {source.text}")
    setattr(error, _ORIGIN, source)
    return error


def standard_class(module: str, name: str) -> type | None:
    """Return a builtin class, or an error class of a loaded module of the library.

    Errors that control a test runner, such as `unittest.SkipTest`, are excluded.
    """
    if module == "builtins":
        builtin = getattr(builtins, name, None)
        return builtin if isinstance(builtin, type) else None
    candidate = getattr(sys.modules.get(module), name, None)
    package = module.partition(".")[0]
    library = package in sys.stdlib_module_names and package not in ("unittest", "doctest")
    raised = isinstance(candidate, type) and issubclass(candidate, BaseException)
    return candidate if raised and library else None
