"""A provider in its own process, so that it takes no time from the measured one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def provided(latency: float) -> Iterator[str]:
    """The base URL of a server that answers each call after `latency` seconds."""
    command = [sys.executable, "-m", "tests.provider", "--port", "0", "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None
            yield it.stdout.readline().strip()
        finally:
            it.terminate()
