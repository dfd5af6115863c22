"""How far a long run has come: a line in place on a terminal, else one now and then."""

import os
import sys
import time

from moagraph.cli.render.output import say
from moagraph.cli.render.rows import counted
from moagraph.cli.render.terminal_lines import room
from moagraph.evals.run.store import is_unpriced
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import clean, one_line

FRAME, EVERY = 0.1, 5.0
BAR = 20


class Progress:
    """Rate, cost and time left, told on standard error."""

    def __init__(self) -> None:
        """Nothing is shown before something begins."""
        self.moving = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
        self.what, self.total, self.standing = "", 0, 0
        self.came = self.lost = 0
        self.dollars, self.unpriced = 0.0, False
        self.began_at = self.shown_at = time.monotonic()
        self.open = False

    def began(self, what: str, total: int, existing: int) -> None:
        """Another kind of thing is wanted from here on."""
        self.end()
        self.what, self.total, self.standing = what, total, existing
        self.came = self.lost = 0
        self.began_at = self.shown_at = time.monotonic()
        if total:
            are = "is" if existing == 1 else "are"
            there = f", {existing} {are} there already" if existing else ""
            say(f"moa: {counted(total, what.removesuffix('s'))} wanted{there}")

    def done(self, row: Json) -> None:
        """One more is there, or one that failed."""
        self.dollars += row.get("cost_usd") or 0.0
        self.unpriced |= is_unpriced(row)
        if row.get("status") == "failed":
            self.failed(f"{row['system']}, row {row['id']}: {row['error']}")
            return
        self.came += 1
        self._show()

    def failed(self, what: str) -> None:
        """Say which one, and why."""
        self.lost += 1
        self.note(f"failed: {what}")
        self._show()

    def note(self, text: str) -> None:
        """A line of its own, above the one that changes."""
        self._wipe()
        say(f"moa: {one_line(text)}")

    def end(self) -> None:
        """Leave the line as it stands."""
        if self.came or self.lost:
            self._wipe()
            say(self.line())
        self.came = self.lost = 0

    def line(self) -> str:
        """Where it stands, in words."""
        seconds = max(time.monotonic() - self.began_at, 1e-6)
        rate = (self.came + self.lost) / seconds
        left = self.total - self.standing - self.came - self.lost
        failed = f", {self.lost} failed" if self.lost else ""
        parts = [f"moa: {self.what} {self.standing + self.came} of {self.total}{failed}"]
        parts.append(f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute")
        parts.append(self.price())
        if left > 0 and rate:
            parts.append(f"{duration(left / rate)} left")
        return ", ".join(parts)

    def price(self) -> str:
        """What this run has cost, as far as it is known."""
        known = f"${self.dollars:.4f}"
        if not self.unpriced:
            return known
        return f"{known} and what has no price" if self.dollars else "price unknown"

    def _show(self) -> None:
        now = time.monotonic()
        if now - self.shown_at < (FRAME if self.moving else EVERY):
            return
        self.shown_at = now
        if not self.moving:
            say(self.line())
            return
        full = BAR * (self.standing + self.came) // max(self.total, 1)
        text = f"{self.line()} {'━' * full}"[: room()[0] - 1]
        sys.stderr.write(f"\r{clean(text)}\x1b[K")
        sys.stderr.flush()
        self.open = True

    def _wipe(self) -> None:
        if self.open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self.open = False


def duration(seconds: float) -> str:
    """A length of time as one says it."""
    if seconds < 90:
        return counted(round(seconds), "second")
    if seconds < 5400:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"
