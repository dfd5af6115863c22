"""A text in sentences, none of it lost: put together again they are the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CODE = re.compile(r"^[ \t]*(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ \t]*\1[ \t]*$\n?|\Z)", re.M | re.S)
# Behind a Western end comes a space; behind a full-width one, written by its code, need not.
_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]*_]*\s+"
    r"|(?<=[\u3002\uff01\uff1f])[\u201d\u2019\u300d\u300f\uff09]*\s*|(?<!\s)\s*\n\s*"
)
_WORD, _NUMBER = re.compile(r"[^\W\d_]"), re.compile(r"\s*\d+\s*")
# What a full stop follows without being the end of a sentence.
_SHORT = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|ca|vs|approx|no|fig|eq|dr|mr|mrs|ms|prof|st|z\.b|d\.h)|\b[A-Z])\.$",
    re.IGNORECASE,
)


Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A part of a text: a sentence with the space behind it, or what says nothing by itself."""

    text: str
    claims: bool

    @property
    def sentence(self) -> str:
        """The piece without the space around it."""
        return self.text.strip()

    def marked(self, sign: str) -> str:
        """The piece with a sign behind its last word."""
        kept = self.text.rstrip()
        return f"{kept} {sign}{self.text[len(kept) :]}"


def pieces(text: str) -> list[Piece]:
    """All of the text: code and headings claim nothing."""
    found: list[Piece] = []
    at = 0
    for code in _CODE.finditer(text):
        found += _prose(text[at : code.start()])
        found.append(Piece(code[0], False))
        at = code.end()
    return [*found, *_prose(text[at:])]


def sentences(text: str) -> list[Span]:
    """The start and the end of each piece, without the space around it."""
    spans: list[Span] = []
    at = 0
    for piece in pieces(text):
        said = piece.text
        if piece.sentence:
            start = at + len(said) - len(said.lstrip())
            spans.append((start, start + len(piece.sentence)))
        at += len(said)
    return spans


def _prose(text: str) -> Iterator[Piece]:
    at, looked, says = 0, 0, False
    for end in _END.finditer(text):
        says = says or _WORD.search(text, looked, end.end()) is not None
        looked = end.end()
        told = says or _NUMBER.fullmatch(text, at, looked)
        if "\n" not in end[0] and (not told or _is_short(text, at, end)):
            continue
        if looked > at:
            yield _piece(text[at:looked])
            at, says = looked, False
    if text[at:]:
        yield _piece(text[at:])


def _piece(text: str) -> Piece:
    return Piece(text, _says(text) and not text.lstrip().startswith("#"))


def _is_short(text: str, at: int, end: re.Match[str]) -> bool:
    """Whether the stop is that of a short form, all of which are shorter than what is looked at."""
    return _SHORT.search(text[max(at, end.start() - 12) : end.end()].rstrip()) is not None


def _says(text: str) -> bool:
    """Whether there is a word in it: the number of a list's line is none."""
    return _WORD.search(text) is not None or _NUMBER.fullmatch(text) is not None
