"""What reaches the user's terminal: answers on standard output, everything else on error."""

import os
import sys
from typing import NoReturn

from moagraph.nodes.errors import RunError
from moagraph.nodes.texts.printable import clean


def out(text: str, end: str = "\n") -> None:
    """Write to standard output at once; a closed pipe ends the command quietly."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would write the rest of the buffer again at exit, and print that error too.
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
