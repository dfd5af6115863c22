"""The part of an answer that is meant: what stands in its code fences, else all of it."""

import re

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL
)


def blocks(answer: str, *names: str) -> list[str]:
    """The fenced parts that are called so; those of no name where none is; else the answer."""
    fenced = [(name.lower(), text) for _, name, text in _FENCE.findall(answer + "\n")]
    for wanted in (names, ("",)):
        if found := [text for name, text in fenced if name in wanted]:
            return found
    return [answer]
