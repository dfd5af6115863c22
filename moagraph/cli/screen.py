"""What reaches a person's terminal: answers on standard output, everything else on error."""

import sys
import unicodedata
from typing import NoReturn

KEPT = {"\n", "\t"}
# Signs that reorder what a person sees: a model could make its words read as others.
REORDERS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """The text without control codes, so that no model drives the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign for sign in text if sign in KEPT or not _drives(sign))


def out(text: str, end: str = "\n") -> None:
    """Write to standard output at once; a closed pipe ends the command quietly."""
    sys.stdout.write(text.encode("utf-8", "replace").decode() + end)
    sys.stdout.flush()


def say(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def fail(text: str, code: int) -> NoReturn:
    """End with one line and an exit code."""
    say(f"moa: {text}")
    sys.exit(code)


def _drives(sign: str) -> bool:
    return sign in REORDERS or unicodedata.category(sign) == "Cc"
