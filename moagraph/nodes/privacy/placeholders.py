"""Placeholders for private details: `<PERSON_1>`, and `<PERSON_1b>` for another spelling of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

EXACT = re.compile(r"<([A-Z][A-Z_]*_\d+)([a-z]*)>")
# Models alter placeholders: other brackets or case, a space for the underscore. A bare one counts
# only in capitals, as `step_1` is ordinary text.
_OPEN, _CLOSE = r"(?:&lt;|[<\[({\uff1c])", r"(?:&gt;|[>\])}\uff1e])"
_VARIANT = re.compile(
    rf"{_OPEN}\s*([A-Za-z][A-Za-z_]*?)[\s_\\-]*(\d+)([A-Za-z]*)\s*{_CLOSE}"
    r"|(?<![\w<])([A-Z][A-Z_]*)\\?_(\d+)([a-z]*)(?![\w>])"
)


@dataclass(frozen=True)
class Tidied:
    """A text with corrected placeholders, the number of corrections, and unknown placeholders."""

    text: str
    mangled: int
    invented: list[str]


def put_back(text: str, values: Mapping[str, str]) -> str:
    """Restore the originals in one pass: an original may itself look like a placeholder."""
    return EXACT.sub(lambda match: values.get(match[0], match[0]), text)


def named(text: str) -> list[str]:
    """Return the distinct placeholders in the text."""
    return list(dict.fromkeys(match[0] for match in EXACT.finditer(text)))


def tidied(text: str, values: Mapping[str, str]) -> Tidied:
    """Correct misspelled placeholders.

    Args:
        text: The answer of a model.
        values: The placeholders of the vault.
    """
    kinds = {kind_of(owner_of(name)) for name in values}
    mangled, invented = 0, list[str]()

    def correct(match: re.Match[str]) -> str:
        nonlocal mangled
        kind, number, spelling = match.groups()[:3] if match[1] else match.groups()[3:]
        kind = re.sub(r"[\s\\-]+", "_", kind).upper()
        name = f"<{kind}_{int(number)}{spelling.lower()}>"
        exact = name == match[0]
        if name in values:
            mangled += not exact
            return name
        if not exact and kind not in kinds:
            return match[0]
        invented.append(name)
        return made_up(name)

    corrected = _VARIANT.sub(correct, text)
    return Tidied(corrected, mangled, list(dict.fromkeys(invented)))


def made_up(placeholder: str) -> str:
    """Mark an unknown placeholder, so that a later turn cannot resolve it."""
    return f"{placeholder[:-1]}?>"


def spelled(values: Mapping[str, str], owner: str) -> str:
    """Return the next free placeholder for another spelling of an owner's value."""
    count = sum(owner_of(name) == owner for name in values)
    return f"<{owner}{_letters(count)}>"


def owner_of(placeholder: str) -> str:
    """Return the part of the name that all spellings of a value share."""
    match = EXACT.fullmatch(placeholder)
    assert match, placeholder
    return match[1]


def kind_of(owner: str) -> str:
    """Return the kind of an owner, such as `PERSON`."""
    return owner.rpartition("_")[0]


def _letters(count: int) -> str:
    """Return the suffix of a spelling: empty, then b, c to z, ba, bb."""
    letters = ""
    while count:
        count, rest = divmod(count, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
