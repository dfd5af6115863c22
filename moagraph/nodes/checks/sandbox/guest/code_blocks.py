"""Extract the code of an answer from its fences."""

import re
from collections.abc import Iterator

_OPENS = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
_CLOSES = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t\r]*")


def code_blocks(answer: str, *names: str) -> list[str]:
    """Return the blocks fenced with one of the names, else the unnamed blocks, else the answer."""
    fenced = [(name.lower(), text) for name, text in _fenced(answer.split("\n"))]
    for accepted in (names, ("",)):
        if texts := [text for name, text in fenced if name in accepted]:
            return texts
    return [answer]


def _fenced(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each closed fence, in linear time.

    A fence is closed by at least as many of the same characters.
    """
    longest = _longest_closing(lines)
    at = 0
    while at < len(lines):
        opening = _OPENS.match(lines[at])
        at += 1
        if not opening or longest[at].get(opening[1][0], 0) < len(opening[1]):
            continue
        end = next(n for n in range(at, len(lines)) if _closes(lines[n], opening[1]))
        yield opening[2], "".join(f"{line}\n" for line in lines[at:end])
        at = end + 1


def _longest_closing(lines: list[str]) -> list[dict[str, int]]:
    """Return for each line the longest closing fence of each kind on it or below it."""
    later: list[dict[str, int]] = [{}]
    for line in reversed(lines):
        lengths = later[-1]
        closing = _CLOSES.fullmatch(line)
        if closing and len(closing[1]) > lengths.get(closing[1][0], 0):
            lengths = {**lengths, closing[1][0]: len(closing[1])}
        later.append(lengths)
    return later[::-1]


def _closes(line: str, opening: str) -> bool:
    closing = _CLOSES.fullmatch(line)
    return closing is not None and closing[1].startswith(opening)
