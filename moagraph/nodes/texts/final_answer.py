"""Reduce an answer to what can be counted: its words, its number, or its letter."""

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction

# Spaces within a line: a pattern that also took line ends would be quadratic in empty lines.
_SPACE = r"[^\S\n]"

# What comes before an answer's conclusion.
CONCLUSION = re.compile(
    r"(?:\banswer\b[^.\n:]{0,40}?(?:\bis\b:?|:|=)|####|\\boxed\{)[\s*_`$(\[\"']{0,40}",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"(?<![\w.,/])[-+]?(?:"
    r"\d{1,40}\s\d{1,40}\s?/\s?\d{1,40}"  # 1 1/2
    r"|\d{1,40}\s?/\s?\d{1,40}"  # 3/4
    r"|\d{1,3}(?:[.]\d{3})+,\d+"  # 1.234,5
    r"|\d{1,3}(?:[,'\u00a0\u202f\u2009]\d{3})+(?:\.\d+)?"  # 1,234.5
    r"|\d+[.,]\d+|\.\d+|\d+"
    r")(?:[eE][-+]?\d+)?(?![\w/]|[.,]\d)"
)
LETTER = r"([A-Ja-j])"
STATED_LETTER = re.compile(
    rf"{LETTER}(?={_SPACE}{{0,40}}[\s)\]*_`.,:;}}\"'$]{{0,40}}(?:\n|$)|[)\]}}*]|[.:]\s)"
)
CAPITAL = re.compile(r"([A-J])(?![\w'])")
LETTER_LINE = re.compile(
    rf"^(?:{_SPACE}|[*_`$\"']){{0,40}}(?:(?:option|choice){_SPACE}+)?[(\[]?{LETTER}[)\].:*_`\"'$]{{0,40}}"
    rf"{_SPACE}*$",
    re.I | re.M,
)
LETTER_FIRST = re.compile(rf"^(?:{_SPACE}|[*_`]){{0,40}}[(\[]?([A-J])[)\].:][\s*_]", re.MULTILINE)
NAMED_LETTER = re.compile(r"\b(?:option|choice)\s+[(\[]?([A-Ja-j])\b|\(([A-Ja-j])\)", re.IGNORECASE)


def read_words(text: str) -> str | None:
    """Return the text without case, extra spaces, and marks around it."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split()).strip(" .,;:!?*_`\"'") or None


def read_number(text: str) -> str | None:
    """Return the number that the text calls its answer, or ends in."""
    plain = _plain(text)
    for part in (*_conclusions(plain), plain):
        numbers = NUMBER.findall(part)
        if numbers:
            return _normalise(numbers[0] if part is not plain else numbers[-1])
    return None


def read_letter(text: str) -> str | None:
    """Return the letter that the text calls its answer, or that stands alone."""
    plain = unicodedata.normalize("NFKC", text)
    for part in _conclusions(plain):
        if match := STATED_LETTER.match(part) or CAPITAL.match(part):
            return str(match[1]).upper()
    for form in (LETTER_LINE, NAMED_LETTER, LETTER_FIRST):
        if letters := [next(filter(None, m.groups())) for m in form.finditer(plain)]:
            return str(letters[-1]).upper()
    return None


READINGS: dict[str, Callable[[str], str | None]] = {
    "exact": read_words,
    "numeric": read_number,
    "choice": read_letter,
}


def _plain(text: str) -> str:
    """Return the text with one kind of minus and of fraction, and without currency signs."""
    text = re.sub(r"\\d?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"(?<=\d)([½¼¾⅓⅔])", r" \1", text)
    text = unicodedata.normalize("NFKC", text.replace("\u202f", "'").replace("\u00a0", "'"))
    text = text.replace("\N{FRACTION SLASH}", "/").replace("\N{MINUS SIGN}", "-")
    return re.sub(r"[$€£¥](?=\s?[-\d.])|(?<=[\d.])(?:[%€£]|\s?°)", "", text)


def _conclusions(text: str) -> list[str]:
    """Return what follows the last mark of a conclusion."""
    marks = list(CONCLUSION.finditer(text))
    return [text[marks[-1].end() :]] if marks else []


def _normalise(number: str) -> str:
    """Return one notation for each number; one beyond all bounds stays as it is."""
    try:
        return _evaluate(number)
    except (OverflowError, ValueError):
        return number


def _evaluate(number: str) -> str:
    number = re.sub(r"\s*/\s*", "/", number.strip())
    whole, _, part = number.rpartition(" ")
    if "/" in part and not part.endswith("/0"):
        value = abs(Fraction(whole or 0)) + Fraction(part) if whole else Fraction(part)
        return _short(float(-value if number.startswith("-") and whole else value))
    if "/" in part:
        return number
    return _short(float(_decimal(number)))


def _decimal(number: str) -> str:
    if re.fullmatch(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+.*", number):
        return number.replace(".", "").replace(",", ".")
    if re.fullmatch(r"[-+]?\d+,\d{1,2}|[-+]?\d+,\d{4,}", number):
        return number.replace(",", ".")
    return re.sub(r"[,'\u2009]", "", number)


def _short(value: float) -> str:
    return f"{value + 0.0:.9g}" if value else "0"
