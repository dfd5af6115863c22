"""Split a text into sentences without losing a character: joined, they are the text again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

_CODE = re.compile(r"^[ \t]*(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ \t]*\1[ \t]*$\n?|\Z)", re.M | re.S)
# A Western sentence end is followed by a space; a full-width one (by its code) need not be.
_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]*_]*\s+"
    r"|(?<=[\u3002\uff01\uff1f])[\u201d\u2019\u300d\u300f\uff09]*\s*|(?<!\s)\s*\n\s*"
)
_WORD, _NUMBER = re.compile(r"[^\W\d_]"), re.compile(r"\s*\d+\s*")
# Abbreviations: their full stop does not end a sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|ca|vs|approx|no|fig|eq|dr|mr|mrs|ms|prof|st|z\.b|d\.h)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_ABBREVIATION_LENGTH = 12  # all of them are shorter

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A part of a text: a sentence with the space after it, or code, or a heading.

    Attributes:
        text: The part, with its space.
        is_claim: Whether it is prose that may be true or false.
    """

    text: str
    is_claim: bool

    @property
    def sentence(self) -> str:
        """The piece without the space around it."""
        return self.text.strip()

    def marked(self, mark: str) -> str:
        """Return the piece with a mark after its last word."""
        end = self.text.rstrip()
        return f"{end} {mark}{self.text[len(end) :]}"


def split_pieces(text: str) -> list[Piece]:
    """Split all of a text; code and headings are no claims."""
    pieces: list[Piece] = []
    start = 0
    for code in _CODE.finditer(text):
        pieces += _split_prose(text[start : code.start()])
        pieces.append(Piece(code[0], False))
        start = code.end()
    return [*pieces, *_split_prose(text[start:])]


def sentence_spans(text: str) -> list[Span]:
    """Return the start and end of each piece, without the space around it."""
    spans: list[Span] = []
    offset = 0
    for piece in split_pieces(text):
        if piece.sentence:
            start = offset + len(piece.text) - len(piece.text.lstrip())
            spans.append((start, start + len(piece.sentence)))
        offset += len(piece.text)
    return spans


def _split_prose(text: str) -> Iterator[Piece]:
    start, scanned, has_word = 0, 0, False
    for end in _END.finditer(text):
        has_word = has_word or _WORD.search(text, scanned, end.end()) is not None
        scanned = end.end()
        is_complete = has_word or _NUMBER.fullmatch(text, start, scanned)
        if "\n" not in end[0] and (not is_complete or _is_abbreviation(text, start, end)):
            continue
        if scanned > start:
            yield _piece(text[start:scanned])
            start, has_word = scanned, False
    if text[start:]:
        yield _piece(text[start:])


def _piece(text: str) -> Piece:
    return Piece(text, _has_content(text) and not text.lstrip().startswith("#"))


def _is_abbreviation(text: str, start: int, end: re.Match[str]) -> bool:
    first = max(start, end.start() - _ABBREVIATION_LENGTH)
    return _ABBREVIATION.search(text[first : end.end()].rstrip()) is not None


def _has_content(text: str) -> bool:
    """Tell whether there is a word or a whole number: the number of a list item is neither."""
    return _WORD.search(text) is not None or _NUMBER.fullmatch(text) is not None
