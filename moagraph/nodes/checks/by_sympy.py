"""Whether the last expression of an answer equals another one."""

import re
from typing import Any

from moagraph.nodes.checks.inside import Unusable

_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_PLAIN = re.compile(r"[\w\s+\-*/^().,!]{1,500}")
_NUMBER = re.compile(r"(?<![^\s$€£])-?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?=[\s.;:!?%]|$)")


def check(said: dict[str, Any], question: str, answer: str) -> str | None:
    """Compare what stands in the last box, behind the last `=` or `:`, or the last number."""
    expected = _read(said["expected"])
    if expected is None:
        raise Unusable(f"`expected` {said['expected']!r} is no expression")
    texts = _candidates(answer)
    found = next((read for read in map(_read, texts) if read is not None), None)
    if found is None:
        return f"the answer does not end in an expression: {texts[0][:100]!r}"
    return None if _equal(found, expected) else f"{found} is not what was expected"


def _candidates(answer: str) -> list[str]:
    if boxed := _BOXED.findall(answer):
        return [str(boxed[-1])]
    line = [line for line in answer.splitlines() if line.strip()][-1]
    last = re.split(r"[=:≈]", line)[-1].strip(" \t*`$.")
    return [last, *_NUMBER.findall(line)[-1:]]


def _read(text: str) -> Any:
    """The expression; None for what is none, or what is not to be evaluated."""
    from sympy.parsing import sympy_parser as parser

    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.strip(" \t\n$.").replace("^", "**"))
    words = re.findall(r"[A-Za-z_]\w*", text)
    if not _PLAIN.fullmatch(text) or any(len(word) > 1 and not _known(word) for word in words):
        return None
    rules = (*parser.standard_transformations, parser.implicit_multiplication)
    try:
        return parser.parse_expr(text, transformations=rules)
    except Exception:  # whatever its tokenizer and evaluation raise
        return None


def _known(word: str) -> bool:
    """Only mathematics: nothing else of the library is called by its name."""
    return word in {
        *("pi", "sqrt", "cbrt", "root", "exp", "log", "ln", "sin", "cos", "tan", "asin", "acos"),
        *("atan", "sinh", "cosh", "tanh", "Abs", "factorial", "binomial", "oo", "Rational"),
    }


def _equal(one: Any, other: Any) -> bool:
    from sympy import simplify

    try:
        return bool(one == other or simplify(one - other) == 0)
    except TypeError:
        return False
