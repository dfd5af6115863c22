"""The command line: `moa`. Nothing heavy is imported before a command needs it."""

import os
import sys

from moagraph.cli.render.output import fail
from moagraph.nodes.errors import MoaError


def main() -> None:
    """Run `moa`; whatever a user can cause ends in one line and an exit code."""
    try:
        _repair_streams()
        sys.exit(_run())
    except MoaError as error:
        fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("moagraph."):
            raise
        fail(f"this needs {error.name!r}, an optional module that is not installed here", 2)
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> int:
    from typer import Abort

    from moagraph.cli.app import app

    try:
        exit_code = app(prog_name="moa", standalone_mode=False)
    except Abort:  # a command of another package had a prompt, and standard input has ended
        fail("aborted: standard input has ended", 1)
    except Exception as error:  # typer's usage errors have no common class that is public
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            raise
        fail(_usage_line(error, format_message()), 2)
    return exit_code if isinstance(exit_code, int) else 0


def _usage_line(error: Exception, message: str) -> str:
    command = getattr(getattr(error, "ctx", None), "command_path", "moa")
    if not message or "\n" in message:  # without any argument, the message is the help text
        return message or f"say what to do; `{command} --help` lists it"
    return f"{message.rstrip('.')}; see `{command} --help`"


def _repair_streams() -> None:
    """Open a closed standard stream as the null device, and replace what cannot be encoded.

    Otherwise the next file that is opened would get the closed stream's descriptor.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, "w" if descriptor else "r", encoding="utf-8"))
        elif descriptor:
            getattr(sys, name).reconfigure(errors="replace")
