"""Lines that change in place on a terminal, without flicker, also when it is resized."""

import os
import shutil
import sys
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from moagraph.cli.render.rows import DisplayLine

COLOURS = {
    "waiting": "2",
    "answering": "36",
    "answers": "36",
    "done": "32",
    "failed": "31",
    "stopped": "2",
    "skipped": "2",
    "not needed": "2",
}


class LinePainter:
    """Paints lines over those it painted before; the cursor stays below them."""

    def __init__(self) -> None:
        """Nothing is on the screen yet."""
        self._widths: list[int] = []
        self._is_coloured = not os.environ.get("NO_COLOR")

    def paint(self, lines: Sequence[DisplayLine], last: bool = False) -> None:
        """Replace the lines on the screen.

        Args:
            lines: The new lines.
            last: They stay and are written in full; the next lines go below them.
        """
        width = terminal_size()[0]
        text = self._move_up(width) + "".join(
            f"{self._line_text(line, width, last)}\x1b[K\n" for line in lines
        )
        self._widths = [] if last else [_painted_width(line, width) for line in lines]
        sys.stderr.write(f"{text}\x1b[J")
        sys.stderr.flush()

    def _move_up(self, width: int) -> str:
        """Move to the first line; a terminal that became narrower has wrapped the lines."""
        height = sum(max(1, -(-painted // width)) for painted in self._widths)
        return f"\r\x1b[{height}A" if height else "\r"

    def _line_text(self, line: DisplayLine, width: int, in_full: bool) -> str:
        head = set_cell_size(line.head, min(cell_len(line.head), width - 1))
        status = line.status if in_full else _shorten(line.status, width - 1 - cell_len(head))
        colour = COLOURS.get(line.state) if self._is_coloured else None
        return f"{head}\x1b[{colour}m{status}\x1b[0m" if colour else f"{head}{status}"


def terminal_size() -> tuple[int, int]:
    """The terminal's columns, and the lines that fit above the cursor's."""
    try:
        columns, height = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        columns, height = shutil.get_terminal_size()
    return max(20, columns or 80), max(2, (height or 24) - 1)


def _painted_width(line: DisplayLine, width: int) -> int:
    return min(width - 1, cell_len(line.head) + cell_len(line.status))


def _shorten(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""
