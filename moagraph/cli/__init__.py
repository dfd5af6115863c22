"""The command line: `moa`. Nothing heavy is imported before a command needs it."""

import os
import sys

from moagraph.cli.render.output import fail
from moagraph.nodes.errors import MoaError


def main() -> None:
    """Run `moa`; whatever a person can cause ends in one line and an exit code."""
    try:
        _settle_streams()
        sys.exit(_run())
    except MoaError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> int:
    from moagraph.cli.app import app

    try:
        code = app(prog_name="moa", standalone_mode=False)
    except Exception as error:  # typer's usage errors share no class that it makes public
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        fail(_in_one_line(error, told()), 2)
    return code if isinstance(code, int) else 0


def _in_one_line(error: Exception, told: str) -> str:
    command = getattr(getattr(error, "ctx", None), "command_path", "moa")
    if not told or "\n" in told:  # no arguments at all: the help is the answer
        return told or f"say what to do; `{command} --help` lists it"
    return f"{told.rstrip('.')}; see `{command} --help`"


def _settle_streams() -> None:
    """Keep a closed stream's number from the next file, and odd characters from raising."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8"))
        elif number:
            getattr(sys, name).reconfigure(errors="replace")
