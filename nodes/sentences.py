"""A text in sentences, none of it lost: put together again they are the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CODE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[ \t]*$\n?|\Z)", re.M | re.S)
# Behind a Western end comes a space; behind a full-width one, written by its code, need not.
_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]*_]*\s+"
    r"|(?<=[\u3002\uff01\uff1f])[\u201d\u2019\u300d\u300f\uff09]*\s*|\s*\n\s*"
)
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
    at = 0
    for end in _END.finditer(text):
        so_far = text[at : end.end()]
        line_ends = "\n" in end[0]
        if not line_ends and (_SHORT.search(so_far.rstrip()) or not _says(so_far)):
            continue
        if so_far:
            yield Piece(so_far, _says(so_far) and not so_far.lstrip().startswith("#"))
            at = end.end()
    if text[at:]:
        yield Piece(text[at:], _says(text[at:]) and not text[at:].lstrip().startswith("#"))


def _says(text: str) -> bool:
    """Whether there is a word in it: the number of a list's line is none."""
    return re.search(r"[^\W\d_]", text) is not None or re.fullmatch(r"\s*\d+\s*", text) is not None
