"""Lines that change in place on a terminal, without flicker, also when it is resized."""

import os
import shutil
import sys
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from moagraph.cli.render.rows import Line

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


class Painter:
    """Paints lines over those it painted before; the cursor rests below them."""

    def __init__(self) -> None:
        """Nothing is on the screen yet."""
        self._widths: list[int] = []
        self._coloured = not os.environ.get("NO_COLOR")

    def paint(self, lines: Sequence[Line], last: bool = False) -> None:
        """Show the lines in place of those before; the last ones stay, and are shown in full."""
        width = room()[0]
        text = self._up(width) + "".join(
            f"{self._line(line, width, last)}\x1b[K\n" for line in lines
        )
        self._widths = [] if last else [_width(line, width) for line in lines]
        sys.stderr.write(f"{text}\x1b[J")
        sys.stderr.flush()

    def _up(self, width: int) -> str:
        """To where the lines begin: a narrower terminal has broken them into several."""
        rows = sum(max(1, -(-painted // width)) for painted in self._widths)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def _line(self, line: Line, width: int, whole: bool) -> str:
        head = set_cell_size(line.head, min(cell_len(line.head), width - 1))
        told = line.told if whole else _fitted(line.told, width - 1 - cell_len(head))
        colour = COLOURS.get(line.state) if self._coloured else None
        return f"{head}\x1b[{colour}m{told}\x1b[0m" if colour else f"{head}{told}"


def room() -> tuple[int, int]:
    """The terminal's columns, and the lines that fit above the cursor's."""
    try:
        columns, height = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        columns, height = shutil.get_terminal_size()
    return max(20, columns or 80), max(2, (height or 24) - 1)


def _width(line: Line, width: int) -> int:
    return min(width - 1, cell_len(line.head) + cell_len(line.told))


def _fitted(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""
