"""The command line: `moa`. Nothing heavy is imported before a command needs it."""

import sys

from moagraph.cli.screen import fail
from nodes.errors import MoaError


def main() -> None:
    """Run `moa`; whatever a person can cause ends in one line and an exit code."""
    from typer import Abort

    from moagraph.cli.app import app

    try:
        app()
    except MoaError as error:
        fail(str(error), error.exit_code)
    except (KeyboardInterrupt, Abort):
        sys.exit(130)
