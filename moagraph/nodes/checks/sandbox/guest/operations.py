"""Operations that the tests can perform on the answer's objects, by method name."""

import copy
import operator
from collections.abc import Callable
from typing import Any

# Python's methods for what hands over no value that could be the one a test expects.
UNARY: dict[str, Callable[..., Any]] = {
    "__len__": len,
    "__iter__": iter,
    "__next__": next,
    "__reversed__": reversed,
    "__copy__": copy.copy,
    "__deepcopy__": copy.deepcopy,
    "__str__": str,
    "__repr__": repr,
    "__bytes__": bytes,
    "__format__": format,
    "__bool__": bool,
    "__hash__": hash,
    "__int__": int,
    "__float__": float,
    "__complex__": complex,
    "__index__": operator.index,
    "__round__": round,
    "__abs__": abs,
    "__neg__": operator.neg,
    "__pos__": operator.pos,
    "__invert__": operator.invert,
    "__getitem__": operator.getitem,
    "__setitem__": operator.setitem,
    "__delitem__": operator.delitem,
}

_ARITHMETIC = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)


def _reflected(forward: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda own, operand: forward(operand, own)


# And those for what compares the object with a value, or calculates with both.
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **{f"__{name}__": getattr(operator, f"__{name}__") for name in ("lt", "le", "gt", "ge")},
    **{f"__{name}__": getattr(operator, f"__{name}__") for name in _ARITHMETIC},
    **{f"__r{name}__": _reflected(getattr(operator, f"__{name}__")) for name in _ARITHMETIC},
    "__eq__": operator.eq,
    "__ne__": operator.ne,
    "__contains__": operator.contains,
    "__divmod__": divmod,
    "__rdivmod__": _reflected(divmod),
}
