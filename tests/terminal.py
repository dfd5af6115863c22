"""The real `moa` in a process of its own: through pipes, or on a terminal that a test reads.

Through pipes it is a fork of a process that has imported everything (`tests.preloaded`).
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.preloaded import Preloaded

MOA = str(Path(sys.executable).with_name("moa"))
# The guard of this process does not reach into another; it is found on that one's path.
GUARD = str(Path(__file__).with_name("child"))
PATIENCE = 90

ANSWER = "the answer of all"
MIX = """
[[layers]]
proposers = ["scripted:one", "scripted:two"]
aggregate = { step = "synthesize", model = "scripted:the answer of all" }
"""


class Done:
    """What a run came to."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out.decode(errors="replace"), err.decode()
        assert "Traceback" not in self.err, self.err

    @property
    def lines(self) -> list[str]:
        """What standard error says."""
        return self.err.splitlines()


def environment(**more: Any) -> dict[str, str]:
    """This test's environment, for a child."""
    path = os.pathsep.join(filter(None, (GUARD, os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path} | {"TERM": "xterm", **more}


@cache
def preloaded() -> Preloaded:
    """The process that runs `moa` for all tests of this one."""
    return Preloaded(environment())


def moa(*words: str | bytes, given: bytes = b"", **more: Any) -> Done:
    """Run `moa` through pipes."""
    env = environment(**more)
    if preloaded().can_run(env):
        done = preloaded().run(words, given, env, PATIENCE)
    else:
        done = subprocess.run(
            [MOA, *words], input=given, capture_output=True, env=env, timeout=PATIENCE
        )
    return Done(done.returncode, done.stdout, done.stderr)


def shell(line: str) -> Done:
    """Run a line of a shell that knows `moa`."""
    path = f"{Path(MOA).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env=environment(PATH=path),
        timeout=4 * PATIENCE,  # a line may be a page of commands
    )
    return Done(done.returncode, done.stdout, done.stderr)


def until(true: Callable[[], Any]) -> None:
    """Wait for what another process or thread is about to do."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def saved(folder: Path, text: str = MIX, name: str = "mix.toml") -> str:
    """A recipe's file."""
    (folder / name).write_text(text)
    return str(folder / name)


class Terminal:
    """`moa` on a terminal; with `piped`, its standard output is a pipe all the same."""

    def __init__(
        self, *words: str, size: tuple[int, int] = (100, 40), piped: bool = False, **more: Any
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (size[1], size[0]))
        self.process = subprocess.Popen(
            [MOA, *words],
            stdin=slave,
            stdout=subprocess.PIPE if piped else slave,
            stderr=slave,
            env=environment(**more),
            start_new_session=True,
        )
        os.close(slave)
        self.shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was shown so far, without control sequences and with single spaces."""
        return re.sub(" +", " ", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.shown.decode()))

    @property
    def frames(self) -> list[str]:
        """Each picture of the table, as it was painted over the one before."""
        return [
            re.sub(r"\x1b\[[0-9;]*[mKA]|\r", "", f) for f in self.shown.decode().split("\x1b[J")
        ]

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """What the terminal does at Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def read(self, wanted: str) -> None:
        """Read until the text has been shown."""
        until(lambda: self._sees(wanted))

    def end(self) -> int:
        """Read to the end; the exit code."""
        until(lambda: not self._take() and self.process.poll() is not None)
        return self.process.wait()

    @property
    def out(self) -> IO[bytes]:
        """The pipe."""
        assert self.process.stdout is not None
        return self.process.stdout

    def _sees(self, wanted: str) -> bool:
        self._take()
        return wanted in self.text

    def _take(self) -> bool:
        """Take what is there; a terminal that nobody holds any more is an error on Linux."""
        if not select.select([self._master], [], [], 0.01)[0]:
            return False
        try:
            self.shown += os.read(self._master, 65536)
        except OSError:
            return False
        return True
