"""The progress of a long run: a line in place on a terminal, else one every few seconds."""

import os
import sys
import time

from moagraph.cli.render.output import say
from moagraph.cli.render.rows import counted
from moagraph.cli.render.terminal_lines import terminal_size
from moagraph.evals.run.store import is_unpriced
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import clean, one_line

FRAME, INTERVAL = 0.1, 5.0
BAR = 20


class EvalProgress:
    """Prints rate, cost and time left on standard error."""

    def __init__(self) -> None:
        """Print nothing before something begins."""
        self._can_move = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
        self._noun, self._total, self._present = "", 0, 0
        self._done = self._failed = 0
        self._dollars, self._has_unpriced = 0.0, False
        self._began_at = self._printed_at = time.monotonic()
        self._in_line = False

    def began(self, what: str, total: int, existing: int) -> None:
        """Count another kind of thing from here on.

        Args:
            what: Its name in the plural.
            total: How many there will be.
            existing: How many of them earlier runs have left.
        """
        self.end()
        self._noun, self._total, self._present = what, total, existing
        self._done = self._failed = 0
        self._began_at = self._printed_at = time.monotonic()
        if total:
            verb = "is" if existing == 1 else "are"
            present = f", {existing} {verb} there already" if existing else ""
            say(f"moa: {counted(total, what.removesuffix('s'))} wanted{present}")

    def done(self, row: Json) -> None:
        """Count a row, done or failed."""
        self._dollars += row.get("cost_usd") or 0.0
        self._has_unpriced |= is_unpriced(row)
        if row.get("status") == "failed":
            self.failed(f"{row['system']}, row {row['id']}: {row['error']}")
            return
        self._done += 1
        self._print()

    def failed(self, what: str) -> None:
        """Count a failure, and print which it was and why."""
        self._failed += 1
        self.note(f"failed: {what}")
        self._print()

    def note(self, text: str) -> None:
        """Print a line above the one that changes."""
        self._erase()
        say(f"moa: {one_line(text)}")

    def end(self) -> None:
        """Print the last state and leave the line."""
        if self._done or self._failed:
            self._erase()
            say(self.line())
        self._done = self._failed = 0

    def line(self) -> str:
        """The state in one line."""
        seconds = max(time.monotonic() - self._began_at, 1e-6)
        finished = self._done + self._failed
        rate, remaining = finished / seconds, self._total - self._present - finished
        failed = f", {self._failed} failed" if self._failed else ""
        parts = [f"moa: {self._noun} {self._present + self._done} of {self._total}{failed}"]
        parts.append(f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute")
        parts.append(self._price_text())
        if remaining > 0 and rate:
            parts.append(f"{duration_text(remaining / rate)} left")
        return ", ".join(parts)

    def _price_text(self) -> str:
        """What this run has cost, as far as prices are known."""
        price = f"${self._dollars:.4f}"
        if not self._has_unpriced:
            return price
        return f"{price} and what has no price" if self._dollars else "price unknown"

    def _print(self) -> None:
        now = time.monotonic()
        if now - self._printed_at < (FRAME if self._can_move else INTERVAL):
            return
        self._printed_at = now
        if not self._can_move:
            say(self.line())
            return
        filled = BAR * (self._present + self._done) // max(self._total, 1)
        text = f"{self.line()} {'━' * filled}"[: terminal_size()[0] - 1]
        sys.stderr.write(f"\r{clean(text)}\x1b[K")
        sys.stderr.flush()
        self._in_line = True

    def _erase(self) -> None:
        if self._in_line:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._in_line = False


def duration_text(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    if seconds < 90:
        return counted(round(seconds), "second")
    if seconds < 5400:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"
