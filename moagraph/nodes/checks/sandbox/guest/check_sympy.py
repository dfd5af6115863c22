"""Check that the last expression of an answer equals another one."""

import re
from typing import Any

from moagraph.nodes.checks.sandbox.guest.text_check import UnusableCheck

_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_PLAIN = re.compile(r"[\w\s+\-*/^().,!]{1,500}")
_NUMBER = re.compile(r"(?<![^\s$€£])-?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?=[\s.;:!?%]|$)")


def check(settings: dict[str, Any], answer: str) -> str | None:
    """Compare the last box, the text after the last `=` or `:`, or the last number."""
    expected = _parse(settings["expected"])
    if expected is None:
        raise UnusableCheck(f"`expected` {settings['expected']!r} is no expression")
    texts = _candidates(answer)
    expression = next((parsed for parsed in map(_parse, texts) if parsed is not None), None)
    if expression is None:
        return f"the answer does not end in an expression: {texts[0][:100]!r}"
    return None if _equal(expression, expected) else f"{expression} is not what was expected"


def _candidates(answer: str) -> list[str]:
    if boxed := _BOXED.findall(answer):
        return [str(boxed[-1])]
    line = [line for line in answer.splitlines() if line.strip()][-1]
    last = re.split(r"[=:≈]", line)[-1].strip(" \t*`$.")
    return [last, *_NUMBER.findall(line)[-1:]]


def _parse(text: str) -> Any:
    """Parse an expression; return None for other text, and for what must not be evaluated."""
    from sympy.parsing import sympy_parser as parser

    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.strip(" \t\n$.").replace("^", "**"))
    words = (word for word in re.findall(r"[A-Za-z_]\w*", text) if len(word) > 1)
    if not _PLAIN.fullmatch(text) or not all(map(_is_mathematics, words)):
        return None
    rules = (*parser.standard_transformations, parser.implicit_multiplication)
    try:
        return parser.parse_expr(text, transformations=rules)
    except Exception:  # whatever its tokenizer and evaluation raise
        return None


def _is_mathematics(word: str) -> bool:
    """Whether the name is a mathematical function or constant; others must not be called."""
    return word in {
        *("pi", "sqrt", "cbrt", "root", "exp", "log", "ln", "sin", "cos", "tan", "asin", "acos"),
        *("atan", "sinh", "cosh", "tanh", "Abs", "factorial", "binomial", "oo", "Rational"),
    }


def _equal(expression: Any, expected: Any) -> bool:
    from sympy import simplify

    try:
        return bool(expression == expected or simplify(expression - expected) == 0)
    except TypeError:
        return False
