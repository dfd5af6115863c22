"""Text that a model wrote, made safe to print: no control codes, no reordering characters."""

import unicodedata

ALLOWED_CONTROLS = {"\n", "\t"}
# Characters that reorder what a person sees: a model could make its words read as others.
BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """Remove control codes, so that no model drives the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char for char in text if char in ALLOWED_CONTROLS or not _is_control(char))


def one_line(text: str) -> str:
    """Remove control codes and line ends."""
    return " ".join(clean(text).split())


def _is_control(char: str) -> bool:
    return char in BIDI_CONTROLS or unicodedata.category(char) == "Cc"
