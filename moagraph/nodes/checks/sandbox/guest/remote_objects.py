"""Proxies in the tests' process for objects of the answer's code.

The code must not decide whether a value is the expected one. So an object of one of its classes
equals no plain data and takes part in no calculation with it. Objects that the tests construct
themselves, by calling a class by a name in CapWords, are exempt: their operators are under test.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from moagraph.nodes.checks.sandbox.guest.operations import BINARY, UNARY


class Link(Protocol):
    """The connection to the process that has the objects."""

    def request(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Perform an operation in the other process."""

    def name_class(self, remote: "Remote", name: str) -> None:
        """Note a name under which the tests have accessed a class."""

    def mark_constructed(self, value: object, by: "Remote") -> object:
        """Mark an object as constructed by the tests, if its class is accessed in CapWords."""


class Reference(NamedTuple):
    """The description of an object of the answer's code.

    `kinds` are the numbers of its class and base classes. `plain` holds its value as plain data,
    for an object of a subclass of `int`, `list` and so on.
    """

    link: Link
    number: int
    name: str
    kinds: frozenset[int]
    plain: tuple[Any, ...] = ()
    constructed: bool = False


def reference(remote: "Remote") -> Reference:
    """Return a proxy's description; its attributes are those of the answer's object."""
    details: Reference = object.__getattribute__(remote, "_Remote__reference")
    return details


def is_module(value: object) -> bool:
    """Whether the value is a proxy for a module."""
    return isinstance(value, Remote) and reference(value).name == "module"


def is_function(value: object) -> bool:
    """Whether the value is a proxy for a function or a class."""
    return isinstance(value, RemoteFunction)


class Remote:
    """A proxy for an object of the answer's code."""

    __slots__ = ("__reference",)

    def __init__(self, details: Reference) -> None:
        """Create the proxy."""
        object.__setattr__(self, "_Remote__reference", details)

    def __getattribute__(self, name: str) -> Any:
        """Get the attribute in the other process."""
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
        """Set the attribute in the other process."""
        reference(self).link.request("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete the attribute in the other process."""
        reference(self).link.request("delattr", self, name)

    def __enter__(self) -> Any:
        """Enter the context in the other process."""
        return reference(self).link.request("enter", self)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        """Exit the context in the other process."""
        return reference(self).link.request("exit", self, error)


class RemoteFunction(Remote):
    """A proxy for a callable object."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object in the other process."""
        return reference(self).link.request("call", self, *args, **kwargs)


class RemoteClass(RemoteFunction):
    """A proxy for a class of the answer's code."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Create an object in the other process."""
        value = super().__call__(*args, **kwargs)
        return reference(self).link.mark_constructed(value, by=self)

    def __getattribute__(self, name: str) -> Any:
        """Get the attribute; deriving a class from the proxy is refused."""
        if name == "__mro_entries__":
            raise TypeError("the tests cannot derive from a class of the answer")
        return super().__getattribute__(name)

    def __instancecheck__(self, instance: object) -> bool:
        """Whether the object is an instance of the class."""
        return isinstance(instance, Remote) and reference(self).number in reference(instance).kinds

    def __subclasscheck__(self, kind: object) -> bool:
        """Whether the other class is the class or derives from it."""
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
