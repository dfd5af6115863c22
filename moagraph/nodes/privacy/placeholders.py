"""What stands for a private detail: `<PERSON_1>`, and `<PERSON_1b>` for another spelling of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

EXACT = re.compile(r"<([A-Z][A-Z_]*_\d+)([a-z]*)>")
# As models write them: other brackets, other case, a space for the line; bare only in capitals.
_OPEN, _CLOSE = r"(?:&lt;|[<\[({\uff1c])", r"(?:&gt;|[>\])}\uff1e])"
_BENT = re.compile(
    rf"{_OPEN}\s*([A-Za-z][A-Za-z_]*?)[\s_\\-]*(\d+)([A-Za-z]*)\s*{_CLOSE}"
    r"|(?<![\w<])([A-Z][A-Z_]*)\\?_(\d+)([a-z]*)(?![\w>])"
)


@dataclass(frozen=True)
class Tidied:
    """A text with its placeholders spelled right: how many were not, and which nobody gave."""

    text: str
    mangled: int
    invented: list[str]


def put_back(text: str, values: Mapping[str, str]) -> str:
    """The text with what its placeholders stand for; what is put in is not read again."""
    return EXACT.sub(lambda found: values.get(found[0], found[0]), text)


def named(text: str) -> list[str]:
    """The placeholders in the text, each once."""
    return list(dict.fromkeys(found[0] for found in EXACT.finditer(text)))


def tidied(text: str, values: Mapping[str, str]) -> Tidied:
    """Spell what means a known placeholder as it was given."""
    kinds = {kind_of(owner_of(name)) for name in values}
    mangled, invented = 0, list[str]()

    def right(found: re.Match[str]) -> str:
        nonlocal mangled
        kind, number, spelling = found.groups()[:3] if found[1] else found.groups()[3:]
        kind = re.sub(r"[\s\\-]+", "_", kind).upper()
        name = f"<{kind}_{int(number)}{spelling.lower()}>"
        exact = name == found[0]
        if name in values:
            mangled += not exact
            return name
        if not exact and kind not in kinds:
            return found[0]
        invented.append(name)
        return made_up(name)

    told = _BENT.sub(right, text)
    return Tidied(told, mangled, list(dict.fromkeys(invented)))


def made_up(placeholder: str) -> str:
    """How one that nobody gave is shown: it can stand for nothing any more."""
    return f"{placeholder[:-1]}?>"


def spelled(values: Mapping[str, str], owner: str) -> str:
    """The next free placeholder for another spelling of what a name stands for."""
    count = sum(owner_of(name) == owner for name in values)
    return f"<{owner}{_letters(count)}>"


def owner_of(placeholder: str) -> str:
    """The name that all spellings of one thing share."""
    found = EXACT.fullmatch(placeholder)
    assert found, placeholder
    return found[1]


def kind_of(owner: str) -> str:
    """What sort of thing it stands for."""
    return owner.rpartition("_")[0]


def _letters(count: int) -> str:
    """Nothing, then b, c and so on to z, ba, bb."""
    letters = ""
    while count:
        count, rest = divmod(count, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
