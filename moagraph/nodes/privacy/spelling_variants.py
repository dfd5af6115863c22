"""Find a private detail in any spelling: another case, without spaces, or in part.

Texts are compared by their letters and digits only. A short value matches whole words only, so
that `Ann` does not match in `cannot`; a value of seven or more characters matches anywhere.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from moagraph.nodes.privacy.placeholders import EXACT, kind_of, owner_of

ANYWHERE, AT_START = 7, 4  # characters from which a form matches inside a word, or at its start
NAMES = {"PERSON"}  # kinds of which each single word identifies the person
TYPED = "TEXT"  # a user's own text that looks like a placeholder: not private
MIN_DIGITS = 10  # digits from which the last ones alone identify a number
TAIL = 8
HIDDEN = "\0"  # replaces text that is not searched
TITLES = {
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "von", "van", "der", "den", "del", "las", "los",
    "the", "and", "und", "herr", "frau", "mme", "bin", "ibn", "san", "di", "da", "de", "la", "le",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """A search key of letters and digits; `loose` allows spaces within a match."""

    key: str
    owner: str
    loose: bool
    digits: bool


@dataclass(frozen=True)
class Span:
    """A private detail's position in a text, and its owner."""

    start: int
    end: int
    owner: str


@dataclass(frozen=True)
class Folded:
    """The letters and digits of a text, with the position of each in the text."""

    key: str
    at: Sequence[int]


def folded(text: str) -> Folded:
    """Normalise a text: without case, width, accents and punctuation."""
    characters: list[str] = []
    at: list[int] = []
    for index, character in enumerate(text):
        plain = _plain(character)
        characters.append(plain)
        at += [index] * len(plain)
    return Folded("".join(characters), at)


def forms(values: Mapping[str, str]) -> list[Form]:
    """Return the search keys of the values and of their identifying parts, longest first."""
    form_of_key = {
        (form.key, form.loose): form
        # Reversed, so that of equal keys the first value wins.
        for name, value in reversed(list(values.items()))
        if kind_of(owner_of(name)) != TYPED
        for form in _forms(owner_of(name), value)
    }
    return sorted(form_of_key.values(), key=lambda form: -len(form.key))


def spans(text: str, values: Mapping[str, str]) -> list[Span]:
    """Return where the text contains the values, in any spelling, outside placeholders."""
    masked = EXACT.sub(lambda m: HIDDEN * len(m[0]) if m[0] in values else m[0], text)
    fold = folded(masked)
    candidates = [span for form in forms(values) for span in _find_form(masked, fold, form)]
    candidates += [span for span in _literal(masked, values)]
    return apart(candidates, len(text))


def apart(candidates: Iterable[Span], length: int) -> list[Span]:
    """Drop overlapping spans, shorter ones first.

    Args:
        candidates: The spans.
        length: The length of the text.
    """
    covered, chosen = bytearray(length), list[Span]()
    for span in sorted(candidates, key=lambda span: (span.start - span.end, span.start)):
        if not any(covered[span.start : span.end]):
            covered[span.start : span.end] = b"x" * (span.end - span.start)
            chosen.append(span)
    return sorted(chosen, key=lambda span: span.start)


def _forms(owner: str, value: str) -> Iterator[Form]:
    key, loose = folded(value).key, any(not character.isalnum() for character in value)
    digits = sum(character.isdigit() for character in key) >= ANYWHERE
    if len(key) > 1 or _wide(key):
        yield Form(key, owner, loose or len(key) >= ANYWHERE, digits)
    if kind_of(owner) in NAMES:
        for word in map(_key, value.replace("-", " ").split()):
            if word not in TITLES and (len(word) > 2 or (len(word) == 2 and _wide(word))):
                yield Form(word, owner, len(word) >= ANYWHERE, False)
    elif sum(character.isdigit() for character in key) >= MIN_DIGITS and key[-TAIL:].isdigit():
        yield Form(key[-TAIL:], owner, True, True)
    elif "@" in value and len(local := _key(value.partition("@")[0])) >= ANYWHERE:
        yield Form(local, owner, True, False)


def _find_form(text: str, fold: Folded, form: Form) -> Iterator[Span]:
    at = fold.key.find(form.key)
    while at >= 0:
        start, end = fold.at[at], fold.at[at + len(form.key) - 1] + 1
        if _is_match(text, start, end, form):
            yield Span(start, end, form.owner)
        at = fold.key.find(form.key, at + 1)


def _is_match(text: str, start: int, end: int, form: Form) -> bool:
    passage = text[start:end]
    spaced = any(character.isspace() for character in passage)
    if spaced and not form.loose:
        return False
    if form.digits or (len(form.key) >= ANYWHERE and not spaced):
        return True
    if not _edge(text, start):
        return False
    return (len(form.key) >= AT_START and not spaced) or _edge(text, end)


def _edge(text: str, at: int) -> bool:
    """Return whether a word may end at this position; in scripts without spaces it always may."""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    return not (before.isalnum() and after.isalnum()) or _wide(before) or _wide(after)


def _literal(text: str, values: Mapping[str, str]) -> Iterator[Span]:
    """Find values that have too few letters and digits for a search key."""
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
    """Return whether the text has characters of a script without spaces between words."""
    return any(unicodedata.east_asian_width(character) in "WF" for character in text)


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if character == HIDDEN:
        return HIDDEN
    decomposed = unicodedata.normalize("NFKD", character.casefold())
    voiced = "".join(c for c in decomposed.casefold() if c.isalnum() or c in "\u3099\u309a")
    return voiced
