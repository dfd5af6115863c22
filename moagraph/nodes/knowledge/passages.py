"""Split texts into passages, which can be retrieved, sent to a model and cited."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moagraph.nodes.texts.sentences import Span, sentence_spans

_PARAGRAPH = re.compile(r"\S.*?(?=\n[ \t]*\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"#{1,6} .*")


@dataclass(frozen=True)
class Passage:
    """A piece of text and its source, as it is cited."""

    text: str
    source: str


def passages(text: str, name: str, length: int, overlap: int) -> list[Passage]:
    """Split a text into passages of about `length` characters.

    Args:
        text: The text.
        name: The name of its source; a passage cites it with its line number.
        length: The target length.
        overlap: How many characters of the previous passage may be repeated.
    """
    pieces, line, counted = [], 1, 0
    for start, end in _spans(text, length, overlap):
        line += text.count("\n", counted, start)
        counted = start
        pieces.append(Passage(text[start:end].rstrip(), f"{name}:{line}"))
    return pieces


def _spans(text: str, length: int, overlap: int) -> Iterator[Span]:
    """Join as many units as fit into a passage; a heading stays with the text below it."""
    starts = [start for start, _ in sentence_spans(text)]
    units: list[Span] = []
    for unit in _units(text, length):
        begin = units[0][0] if units else unit[0]
        alone = len(units) == 1 and _is_heading(text, units[0])
        if units and unit[1] - begin > length and not alone:
            above = [units.pop()] if _is_heading(text, units[-1]) else []
            yield begin, units[-1][1]
            units = above or [(_back(starts, begin, unit[0], overlap), unit[0])]
        units.append(unit)
    if units:
        yield units[0][0], units[-1][1]


def _units(text: str, length: int) -> Iterator[Span]:
    """Yield paragraphs; a paragraph that is too long is split into sentences, then slices."""
    for paragraph in _PARAGRAPH.finditer(text):
        start, end = paragraph.span()
        if end - start <= length:
            yield start, end
            continue
        for first, last in sentence_spans(paragraph[0]):
            for at in range(start + first, start + last, length):
                yield at, min(at + length, start + last)


def _back(starts: Sequence[int], begin: int, end: int, overlap: int) -> int:
    """Return the start of the last whole sentences before `end` that fit the overlap."""
    first = bisect_left(starts, max(begin + 1, end - overlap))
    return min(starts[first], end) if first < len(starts) else end


def _is_heading(text: str, unit: Span) -> bool:
    return bool(_HEADING.fullmatch(text, *unit))
