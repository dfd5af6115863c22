"""What reaches a person's terminal: answers on standard output, everything else on error."""

import os
import sys
import unicodedata
from typing import NoReturn

from moagraph.nodes.errors import RunError

KEPT = {"\n", "\t"}
# Signs that reorder what a person sees: a model could make its words read as others.
REORDERS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """The text without control codes, so that no model drives the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign for sign in text if sign in KEPT or not _drives(sign))


def one_line(text: str) -> str:
    """The text without control codes and line ends."""
    return " ".join(clean(text).split())


def out(text: str, end: str = "\n") -> None:
    """Write to standard output at once; a closed pipe ends the command quietly."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would be tried again, and complained of, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise RunError(f"cannot write to standard output: {error.strerror}") from error


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
