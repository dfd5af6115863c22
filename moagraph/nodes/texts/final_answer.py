"""What an answer comes down to, so that answers can be counted: its words, number or letter."""

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction

# Behind these an answer says what it has come to.
MARKED = re.compile(
    r"(?:\banswer\b[^.\n:]{0,40}?(?:\bis\b:?|:|=)|####|\\boxed\{)[\s*_`$(\[\"']*", re.IGNORECASE
)
NUMBER = re.compile(
    r"(?<![\w.,/])[-+]?(?:"
    r"\d+\s\d+\s*/\s*\d+"  # 1 1/2
    r"|\d+\s*/\s*\d+"  # 3/4
    r"|\d{1,3}(?:[.]\d{3})+,\d+"  # 1.234,5
    r"|\d{1,3}(?:[,'\u00a0\u202f\u2009]\d{3})+(?:\.\d+)?"  # 1,234.5
    r"|\d+[.,]\d+|\.\d+|\d+"
    r")(?:[eE][-+]?\d+)?(?![\w/]|[.,]\d)"
)
LETTER = r"([A-Ja-j])"
STATED = re.compile(rf"{LETTER}(?=[\s)\]*_`.,:;}}\"'$]*(?:\n|$)|[)\]}}*]|[.:]\s)")
CAPITAL = re.compile(r"([A-J])(?![\w'])")
ALONE = re.compile(
    rf"^[\s*_`$\"']*(?:(?:option|choice)\s+)?[(\[]?{LETTER}[)\].:*_`\"'$]*\s*$", re.I | re.M
)
FIRST = re.compile(r"^[\s*_`]*[(\[]?([A-J])[)\].:][\s*_]", re.MULTILINE)
NAMED = re.compile(r"\b(?:option|choice)\s+[(\[]?([A-Ja-j])\b|\(([A-Ja-j])\)", re.IGNORECASE)


def words(text: str) -> str | None:
    """The text without what does not matter: case, spaces, marks around it."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split()).strip(" .,;:!?*_`\"'") or None


def number(text: str) -> str | None:
    """The number that the text ends in, or the one that it calls its answer."""
    plain = _plain(text)
    for part in (*_marked(plain), plain):
        found = NUMBER.findall(part)
        if found:
            return _written(found[0] if part is not plain else found[-1])
    return None


def letter(text: str) -> str | None:
    """The letter that the text calls its answer, or that stands for itself."""
    plain = unicodedata.normalize("NFKC", text)
    for part in _marked(plain):
        if found := STATED.match(part) or CAPITAL.match(part):
            return str(found[1]).upper()
    for form in (ALONE, NAMED, FIRST):
        if found_all := [next(filter(None, one.groups())) for one in form.finditer(plain)]:
            return str(found_all[-1]).upper()
    return None


READINGS: dict[str, Callable[[str], str | None]] = {
    "exact": words,
    "numeric": number,
    "choice": letter,
}


def _plain(text: str) -> str:
    """The text with one kind of minus and of fraction, and without signs of money."""
    text = re.sub(r"\\d?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"(?<=\d)([½¼¾⅓⅔])", r" \1", text)
    text = unicodedata.normalize("NFKC", text.replace("\u202f", "'").replace("\u00a0", "'"))
    text = text.replace("\N{FRACTION SLASH}", "/").replace("\N{MINUS SIGN}", "-")
    return re.sub(r"[$€£¥](?=\s?[-\d.])|(?<=[\d.])(?:[%€£]|\s?°)", "", text)


def _marked(text: str) -> list[str]:
    """What stands behind the last mark of an answer."""
    marks = list(MARKED.finditer(text))
    return [text[marks[-1].end() :]] if marks else []


def _written(said: str) -> str:
    """One way to write each number; one beyond all bounds stands for itself."""
    try:
        return _counted(said)
    except (OverflowError, ValueError):
        return said


def _counted(said: str) -> str:
    said = re.sub(r"\s*/\s*", "/", said.strip())
    whole, _, part = said.rpartition(" ")
    if "/" in part and not part.endswith("/0"):
        value = abs(Fraction(whole or 0)) + Fraction(part) if whole else Fraction(part)
        return _short(float(-value if said.startswith("-") and whole else value))
    if "/" in part:
        return said
    return _short(float(_decimal(said)))


def _decimal(said: str) -> str:
    if re.fullmatch(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+.*", said):
        return said.replace(".", "").replace(",", ".")
    if re.fullmatch(r"[-+]?\d+,\d{1,2}|[-+]?\d+,\d{4,}", said):
        return said.replace(",", ".")
    return re.sub(r"[,'\u2009]", "", said)


def _short(value: float) -> str:
    return f"{value + 0.0:.9g}" if value else "0"
