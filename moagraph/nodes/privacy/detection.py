"""Detect private details by their form; check digits are verified where a number has them."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address

Found = tuple[str, int, int]  # kind, start, end
SHORTEST_IBAN, SHORTEST_CARD = 15, 13
KIND = re.compile(r"[A-Z][A-Z_]{0,30}")

_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u04ff"  # letters of scripts that separate words by spaces
_ENDS = r"\s<>\"'\u3001\u3002\u300d\u300f\uff09"
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_.+-])", r"(?![A-Za-z0-9_])"
_MAIL = re.compile(rf"[{_LETTER}0-9._%+'-]+@[{_LETTER}0-9-]+(?:\.[{_LETTER}0-9-]+)+")
_URL = re.compile(rf"(?:https?|ftp)://[^{_ENDS}]+|www\.[\w-]+\.[^{_ENDS}]+", re.IGNORECASE)
_IPV4 = re.compile(rf"{_BEFORE}(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?!\.\d){_AFTER}")
_IPV6 = re.compile(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_CARD = re.compile(rf"{_BEFORE}\d(?:[ -]?\d){{12,18}}")
_PHONE = re.compile(rf"(?<![A-Za-z0-9+])(?<!\d-)(?:\+|0|\(0)[\d()/ .-]{{5,20}}\d{_AFTER}")


def by_form(text: str) -> Iterator[Found]:
    """Yield e-mail addresses, URLs, IBANs, card and phone numbers and IP addresses."""
    yield from _all("EMAIL", _MAIL, text)
    yield from _all("URL", _URL, text)
    yield from _all("IBAN", _IBAN, text, _is_iban)
    yield from _all("CARD", _CARD, text, _is_card)
    yield from _all("IP", _IPV4, text, _is_address)
    yield from _all("IP", _IPV6, text, _is_address)
    yield from _all("PHONE", _PHONE, text, _is_phone)


def by_pattern(text: str, patterns: Mapping[str, str]) -> Iterator[Found]:
    """Yield the matches of the recipe's own patterns, except blank ones."""
    for kind, pattern in patterns.items():
        for match in re.finditer(pattern, text):
            if match[0].strip():
                yield kind, match.start(), match.end()


def checked(kind: str, pattern: str) -> str:
    """Validate a pattern of a recipe; one that matches an empty text would match everywhere."""
    if not KIND.fullmatch(kind):
        raise ValueError(f"`patterns`: {kind!r} names no kind: take capital letters, as CUSTOMER")
    try:
        empty = re.compile(pattern).search("")
    except re.error as error:
        raise ValueError(f"`patterns.{kind}` {pattern!r} is no pattern: {error}") from error
    if empty:
        raise ValueError(f"`patterns.{kind}` {pattern!r} matches an empty text: say what it needs")
    return pattern


def _all(
    kind: str, pattern: re.Pattern[str], text: str, is_valid: Callable[[str], bool] = bool
) -> Iterator[Found]:
    """Yield each match, or its longest prefix of whole words that is valid.

    A greedy pattern may run into the next words; the check digits tell where the number ends.
    """
    for candidate in pattern.finditer(text):
        trimmed = candidate[0].rstrip(".,;:!?)")
        ends = [match.end() for match in re.finditer(r"[A-Za-z0-9](?![A-Za-z0-9])", trimmed)]
        whole = [trimmed] if is_valid is bool else [trimmed[:end] for end in reversed(ends)]
        if good := next((part for part in whole if is_valid(part)), None):
            yield kind, candidate.start(), candidate.start() + len(good)


def _is_iban(text: str) -> bool:
    """ISO 13616: the number modulo 97 is 1, with letters read as 10 to 35."""
    plain = re.sub(r"[ -]", "", text).upper()
    return (
        len(plain) >= SHORTEST_IBAN
        and int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1
    )


def _is_card(text: str) -> bool:
    """Luhn checksum: the sum is a multiple of 10."""
    digits = [int(character) for character in text if character.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(digits) >= SHORTEST_CARD and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    return 7 <= sum(character.isdigit() for character in text) <= 15 and not re.search(
        r"\d\.\d{1,2}$", text
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
