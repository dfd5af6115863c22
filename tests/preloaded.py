"""A process that has imported what `moa` imports, and forks itself for each run of `moa`.

Nearly all the time of a short run goes into imports. A fork is a process of its own all the same:
it has the arguments, environment, folder and pipes that a test gives it, and ends with its own
exit code. Tests of the start itself and of signals start the installed program instead.
"""

import array
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

LENGTH = 8


class Preloaded:
    """The parent of the forks: one for each process of the test run, started when it is needed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())]
        with theirs:
            # It ends when our end of the socket is closed, also where we are killed.
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=dict(environment)
            )
        self._socket = ours
