"""How the tests see what the answer's code has made: objects that pass on what is asked of them.

Whether a value is the one that a test expects is never the answer's to say: an object of a class
of the answer's is equal to no plain data, and takes part in no calculation with it. The exception
is an object that the tests themselves have made, by calling a class under its name in CapWords:
its operators are what is tested.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from moagraph.nodes.checks.sandbox.guest.operations import BINARY, UNARY


class Link(Protocol):
    """The way to the process that has the objects."""

    def request(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Have an operation done there."""

    def name_class(self, remote: "Remote", name: str) -> None:
        """The tests have called a class so."""

    def mark_constructed(self, value: object, by: "Remote") -> object:
        """The object as one that the tests have made, where its class has a class's name."""


class Reference(NamedTuple):
    """What is known here of an object of the answer's code.

    `kinds` are the numbers of its class and of those above; `plain` holds what it is as data.
    """

    link: Link
    number: int
    name: str
    kinds: frozenset[int]
    plain: tuple[Any, ...] = ()
    constructed: bool = False


def reference(remote: "Remote") -> Reference:
    """What is known of it; all of its own attributes are the answer's."""
    details: Reference = object.__getattribute__(remote, "_Remote__reference")
    return details


def is_module(value: object) -> bool:
    """Whether it stands for a module that the answer's code has imported."""
    return isinstance(value, Remote) and reference(value).name == "module"


def is_function(value: object) -> bool:
    """Whether it stands for a function or a class of the answer's code."""
    return isinstance(value, RemoteFunction)


class Remote:
    """An object of the answer's code."""

    __slots__ = ("__reference",)

    def __init__(self, details: Reference) -> None:
        """Stand for it here."""
        object.__setattr__(self, "_Remote__reference", details)

    def __getattribute__(self, name: str) -> Any:
        """Ask for it; a class that is found is known by that name from now on."""
        details = reference(self)
        if name == "__class__" and details.plain:
            return type(details.plain[0])  # so that a namedtuple is a tuple here too
        if name == "__deepcopy__":
            return lambda memo: details.link.request(name, self)
        if name in BINARY:  # called by its name it means no more than as an operator
            return getattr(type(self), name).__get__(self)
        value = details.link.request("getattr", self, name)
        if type(value) is RemoteClass and name != "__class__":
            details.link.name_class(value, name)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        """Have it set."""
        reference(self).link.request("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        """Have it deleted."""
        reference(self).link.request("delattr", self, name)

    def __enter__(self) -> Any:
        """Have it entered."""
        return reference(self).link.request("enter", self)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        """Have it left, with what was raised."""
        return reference(self).link.request("exit", self, error)


class RemoteFunction(Remote):
    """A function, a method, or an object that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Have it called."""
        return reference(self).link.request("call", self, *args, **kwargs)


class RemoteClass(RemoteFunction):
    """A class of the answer's code."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Have an object made."""
        value = super().__call__(*args, **kwargs)
        return reference(self).link.mark_constructed(value, by=self)

    def __getattribute__(self, name: str) -> Any:
        """Ask for it; a class of the tests cannot be made of it."""
        if name == "__mro_entries__":
            raise TypeError("the tests cannot derive from a class of the answer")
        return super().__getattribute__(name)

    def __instancecheck__(self, instance: object) -> bool:
        """Whether the object is of that class, or of one below."""
        return isinstance(instance, Remote) and reference(self).number in reference(instance).kinds

    def __subclasscheck__(self, kind: object) -> bool:
        """Whether the other one is that class, or below it."""
        return isinstance(kind, RemoteClass) and reference(self).number in reference(kind).kinds


def _unary(name: str) -> Callable[..., Any]:
    def ask(self: Remote, *operands: object) -> Any:
        details = reference(self)
        if name in ("__hash__", "__bool__") and details.plain:
            return UNARY[name](details.plain[0])
        return details.link.request(name, self, *operands)

    return ask


def _binary(name: str) -> Callable[[Remote, object], Any]:
    def ask(self: Remote, operand: object) -> Any:
        details = reference(self)
        if isinstance(operand, Remote):
            if name in ("__eq__", "__ne__") and reference(operand).number == details.number:
                return name == "__eq__"
        elif not details.constructed:
            if details.plain:
                return BINARY[name](details.plain[0], operand)
            if name == "__contains__":
                raise TypeError(f"a `{details.name}` is not asked whether it contains a value")
            return NotImplemented
        value = details.link.request(name, self, operand)
        return details.link.mark_constructed(value, by=self) if details.constructed else value

    return ask


for _name in UNARY:
    setattr(Remote, _name, _unary(_name))
for _name in BINARY:
    setattr(Remote, _name, _binary(_name))
