"""The progress of a download of weights: a bar in place on a terminal, else a line every 5 s."""

import sys
import time

from moagraph.cli.render.output import say
from moagraph.cli.render.terminal_lines import terminal_size

LONGEST_BAR = 30


class DownloadProgress:
    """Called with the bytes so far and the total, as they arrive."""

    def __init__(self, model: str) -> None:
        """Print nothing before the first bytes."""
        self._model = model
        self._interval = 0.2 if sys.stderr.isatty() else 5.0
        self._printed_at = 0.0
        self._in_line = False

    def __call__(self, done: int, total: int) -> None:
        """Print the state, but not too often."""
        now = time.monotonic()
        if now - self._printed_at < self._interval and done < total:
            return
        self._printed_at = now
        text = f"moa: fetching local:{self._model}, {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        if not sys.stderr.isatty():
            say(text)
            return
        longest = max(0, min(LONGEST_BAR, terminal_size()[0] - len(text) - 2))
        bar = "━" * int(longest * done / total)
        sys.stderr.write(f"\r{text} {bar:<{longest}}")
        sys.stderr.flush()
        self._in_line = True

    def end(self) -> None:
        """Leave the bar's line, so that what follows starts a new one."""
        if self._in_line:
            sys.stderr.write("\n")
            sys.stderr.flush()
