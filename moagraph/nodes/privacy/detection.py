"""Private details that can be told by their form alone; numbers that carry a check are checked."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address

Found = tuple[str, int, int]  # kind, start, end
SHORTEST_IBAN, SHORTEST_CARD = 15, 13
KIND = re.compile(r"[A-Z][A-Z_]{0,30}")

_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u04ff"  # of scripts that put spaces between words
_ENDS = r"\s<>\"'\u3001\u3002\u300d\u300f\uff09"
_BEFORE, _BEHIND = r"(?<![A-Za-z0-9_.+-])", r"(?![A-Za-z0-9_])"
_MAIL = re.compile(rf"[{_LETTER}0-9._%+'-]+@[{_LETTER}0-9-]+(?:\.[{_LETTER}0-9-]+)+")
_URL = re.compile(rf"(?:https?|ftp)://[^{_ENDS}]+|www\.[\w-]+\.[^{_ENDS}]+", re.IGNORECASE)
_IPV4 = re.compile(rf"{_BEFORE}(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?!\.\d){_BEHIND}")
_IPV6 = re.compile(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_CARD = re.compile(rf"{_BEFORE}\d(?:[ -]?\d){{12,18}}")
_PHONE = re.compile(rf"(?<![A-Za-z0-9+])(?<!\d-)(?:\+|0|\(0)[\d()/ .-]{{5,20}}\d{_BEHIND}")


def by_form(text: str) -> Iterator[Found]:
    """E-mail addresses, links, numbers of banks, cards and phones, addresses of machines."""
    yield from _all("EMAIL", _MAIL, text)
    yield from _all("URL", _URL, text)
    yield from _all("IBAN", _IBAN, text, _is_iban)
    yield from _all("CARD", _CARD, text, _is_card)
    yield from _all("IP", _IPV4, text, _is_address)
    yield from _all("IP", _IPV6, text, _is_address)
    yield from _all("PHONE", _PHONE, text, _is_phone)


def by_pattern(text: str, patterns: Mapping[str, str]) -> Iterator[Found]:
    """What the recipe's own patterns match; a match of nothing is none."""
    for kind, pattern in patterns.items():
        for found in re.finditer(pattern, text):
            if found[0].strip():
                yield kind, found.start(), found.end()


def checked(kind: str, pattern: str) -> str:
    """The pattern, refused where it is none or matches where nothing is."""
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
    kind: str, pattern: re.Pattern[str], text: str, holds: Callable[[str], bool] = bool
) -> Iterator[Found]:
    """Each match, or the longest beginning of it that holds and ends where a word does."""
    for found in pattern.finditer(text):
        said = found[0].rstrip(".,;:!?)")
        ends = [match.end() for match in re.finditer(r"[A-Za-z0-9](?![A-Za-z0-9])", said)]
        whole = [said] if holds is bool else [said[:end] for end in reversed(ends)]
        if good := next((part for part in whole if holds(part)), None):
            yield kind, found.start(), found.start() + len(good)


def _is_iban(said: str) -> bool:
    """Its number leaves 1 when divided by 97, letters read as 10 to 35."""
    plain = re.sub(r"[ -]", "", said).upper()
    return (
        len(plain) >= SHORTEST_IBAN
        and int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
    )


def _is_card(said: str) -> bool:
    """Luhn's sum of its digits ends in 0."""
    digits = [int(sign) for sign in said if sign.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(digits) >= SHORTEST_CARD and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_phone(said: str) -> bool:
    return 7 <= sum(sign.isdigit() for sign in said) <= 15 and not re.search(r"\d\.\d{1,2}$", said)


def _is_address(said: str) -> bool:
    try:
        ip_address(said)
    except ValueError:
        return False
    return True
