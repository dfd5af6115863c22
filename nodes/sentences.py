"""Where a text's sentences begin and end; a block of code is one, and so is a line of a list."""

import re
from collections.abc import Iterator

Span = tuple[int, int]

_CODE = re.compile(r"^(```|~~~).*?(?:^\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
# A stop and white space; a line's end; the signs that end a sentence where no space follows.
_END = re.compile(r"(?<=[.!?…])[\"')\]”’»]*\s+(?=\S)|(?<=[。！？])|\n+")  # noqa: RUF001


def sentences(text: str) -> list[Span]:
    """The start and the end of each sentence, without the space between them."""
    spans: list[Span] = []
    at = 0
    for block in _CODE.finditer(text):
        spans += _plain(text, at, block.start())
        spans += _trimmed(text, *block.span())
        at = block.end()
    return [*spans, *_plain(text, at, len(text))]


def _plain(text: str, start: int, end: int) -> Iterator[Span]:
    at = start
    for stop in _END.finditer(text, start, end):
        yield from _trimmed(text, at, stop.end())
        at = stop.end()
    yield from _trimmed(text, at, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    said = text[start:end]
    if said.strip():
        yield (
            start + len(said) - len(said.lstrip()),
            end - len(said) + len(said.rstrip()),
        )
