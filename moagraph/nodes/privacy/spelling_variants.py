"""The same private detail however it is written: another case, without its spaces, in part.

Texts are compared by their letters and digits alone. What is short only counts as a word of its
own, so that `Ann` is not found in `cannot`; seven signs and more count anywhere.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from moagraph.nodes.privacy.placeholders import EXACT, kind_of, owner_of

ANYWHERE, BEGINS = 7, 4  # signs from which a form counts inside a word, or at a word's start
NAMES = {"PERSON"}  # the kinds whose every word tells who is meant
TYPED = "TEXT"  # the kind of what looks like a placeholder and is the user's own: no secret
NUMBERS = 10  # digits from which the end of a number alone tells it
END = 8
HIDDEN = "\0"  # stands for what is not looked at
TITLES = {
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "von", "van", "der", "den", "del", "las", "los",
    "the", "and", "und", "herr", "frau", "mme", "bin", "ibn", "san", "di", "da", "de", "la", "le",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Letters and digits by which something is known, and whether other signs may be between."""

    key: str
    owner: str
    loose: bool
    digits: bool


@dataclass(frozen=True)
class Span:
    """Where in a text something stands."""

    start: int
    end: int
    owner: str


@dataclass(frozen=True)
class Folded:
    """A text's letters and digits, and where in it each was."""

    key: str
    at: Sequence[int]


def folded(text: str) -> Folded:
    """Without case, width, accents and everything that is neither letter nor digit."""
    signs: list[str] = []
    at: list[int] = []
    for index, sign in enumerate(text):
        plain = _plain(sign)
        signs.append(plain)
        at += [index] * len(plain)
    return Folded("".join(signs), at)


def forms(values: Mapping[str, str]) -> list[Form]:
    """All by which the values, and what tells of them, are known; the longest first."""
    found = {
        (form.key, form.loose): form
        for name, value in reversed(list(values.items()))
        if kind_of(owner_of(name)) != TYPED
        for form in _forms(owner_of(name), value)
    }
    return sorted(found.values(), key=lambda form: -len(form.key))


def spans(text: str, values: Mapping[str, str]) -> list[Span]:
    """Where in the text the values stand, in any spelling; placeholders are not looked at."""
    masked = EXACT.sub(lambda m: HIDDEN * len(m[0]) if m[0] in values else m[0], text)
    fold = folded(masked)
    found = [span for form in forms(values) for span in _where(masked, fold, form)]
    found += [span for span in _literal(masked, values)]
    return apart(found, len(text))


def apart(found: Iterable[Span], length: int) -> list[Span]:
    """Those that do not overlap in a text so long, the longer before the shorter, in its order."""
    taken, kept = bytearray(length), list[Span]()
    for span in sorted(found, key=lambda span: (span.start - span.end, span.start)):
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"x" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _forms(owner: str, value: str) -> Iterator[Form]:
    key, loose = folded(value).key, any(not sign.isalnum() for sign in value)
    digits = sum(sign.isdigit() for sign in key) >= ANYWHERE
    if len(key) > 1 or _wide(key):
        yield Form(key, owner, loose or len(key) >= ANYWHERE, digits)
    if kind_of(owner) in NAMES:
        for word in map(_key, value.replace("-", " ").split()):
            if word not in TITLES and (len(word) > 2 or (len(word) == 2 and _wide(word))):
                yield Form(word, owner, len(word) >= ANYWHERE, False)
    elif sum(sign.isdigit() for sign in key) >= NUMBERS and key[-END:].isdigit():
        yield Form(key[-END:], owner, True, True)
    elif "@" in value and len(local := _key(value.partition("@")[0])) >= ANYWHERE:
        yield Form(local, owner, True, False)


def _where(text: str, fold: Folded, form: Form) -> Iterator[Span]:
    at = fold.key.find(form.key)
    while at >= 0:
        start, end = fold.at[at], fold.at[at + len(form.key) - 1] + 1
        if _counts(text, start, end, form):
            yield Span(start, end, form.owner)
        at = fold.key.find(form.key, at + 1)


def _counts(text: str, start: int, end: int, form: Form) -> bool:
    said = text[start:end]
    spaced = any(sign.isspace() for sign in said)
    if spaced and not form.loose:
        return False
    if form.digits or (len(form.key) >= ANYWHERE and not spaced):
        return True
    if not _edge(text, start):
        return False
    return (len(form.key) >= BEGINS and not spaced) or _edge(text, end)


def _edge(text: str, at: int) -> bool:
    """Whether a word may end there; scripts without spaces have no inside of a word."""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    return not (before.isalnum() and after.isalnum()) or _wide(before) or _wide(after)


def _literal(text: str, values: Mapping[str, str]) -> Iterator[Span]:
    """Values that have no letters and digits to be known by."""
    lowered = text.lower()
    for name, value in values.items():
        key = folded(value).key
        if len(key) > 1 or _wide(key) or len(lowered) != len(text):
            continue
        if kind_of(owner_of(name)) == TYPED:
            continue
        at = lowered.find(value.lower())
        while at >= 0:
            if not value.isalnum() or (_edge(text, at) and _edge(text, at + len(value))):
                yield Span(at, at + len(value), owner_of(name))
            at = lowered.find(value.lower(), at + 1)


def _key(text: str) -> str:
    return folded(text).key


def _wide(text: str) -> bool:
    """Whether it is of a script that writes words without spaces between."""
    return any(unicodedata.east_asian_width(sign) in "WF" for sign in text)


@lru_cache(maxsize=4096)
def _plain(sign: str) -> str:
    if sign == HIDDEN:
        return HIDDEN
    decomposed = unicodedata.normalize("NFKD", sign.casefold())
    voiced = "".join(c for c in decomposed.casefold() if c.isalnum() or c in "\u3099\u309a")
    return voiced
