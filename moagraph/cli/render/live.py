"""The display of a run: the state of every seat, and the answer as it is written."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from moagraph.cli.render.output import out, say
from moagraph.cli.render.rows import DisplayRow, counted, display_lines, fitting_lines, rows_of
from moagraph.cli.render.terminal_lines import LinePainter, terminal_size
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.texts.printable import clean
from moagraph.threads.result import Result

FRAME = 0.1
NOT_NEEDED = "not needed"


class Display:
    """Follows a run through its events; `PlainDisplay` and `TerminalDisplay` print its rows."""

    def __init__(self, prints_answer: bool) -> None:
        """Start without rows.

        Args:
            prints_answer: Whether the answer goes to standard output as it is written.
        """
        self.prints_answer = prints_answer
        self.rows: dict[str, DisplayRow] = {}
        self._answer = ""
        self._message_id: str | None = None

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        """Lay out a row for every seat and step of the recipe."""
        self.rows = dict(rows_of(recipe))
        self._start_next(0)

    def node_restored(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or step has its record from an earlier run."""
        row = self.rows.get(node)
        if row:
            row.record = record
            self._start_after(node, row)

    def token_received(self, metadata: Mapping[str, Any], text: str) -> None:
        """A piece of a model's text: count it; if it is the answer's, write it."""
        row = self.rows.get(metadata.get("langgraph_node", ""))
        if row:
            row.started_at = row.started_at or time.monotonic()
            row.tokens += 1
        if metadata.get("role") == "answer":
            self._write_piece(metadata.get("message"), text)

    def node_finished(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or step has its record; the rows that follow begin."""
        row = self.rows.get(node)
        if row:
            row.record = record
            self.print_row(row)
            self._start_after(node, row)

    def write(self, text: str) -> None:
        """Write a piece of the answer."""
        self._answer += text
        if self.prints_answer:
            out(clean(text), end="")

    def print_row(self, row: DisplayRow) -> None:
        """A row has its record; displays that print lines print it."""

    def print_not_needed(self, rows: Sequence[DisplayRow]) -> None:
        """These rows will not be asked; displays that print lines say so."""

    def finish(self, result: Result) -> None:
        """End the answer's line, and say what the run took."""
        if self.prints_answer and result.status == "done":
            out("" if self._answer else clean(result.answer))
        elif self.prints_answer and self._answer:
            out("")
        if unparsed := sum(step.get("unparsed", 0) for step in result.steps):
            say(f"moa: {counted(unparsed, 'verdict')} could not be read, and counted for nothing")
        say(summary_line(result))

    def close(self) -> None:
        """No event follows."""

    def _write_piece(self, message_id: str | None, text: str) -> None:
        if self._answer and message_id != self._message_id:
            if self.prints_answer:
                out("")
                say("moa: the answer above broke off; it is asked for again")
            self._answer = ""
        self._message_id = message_id
        self.write(text)

    def _start_after(self, node: str, row: DisplayRow) -> None:
        """Start what follows a row; if it settles the turn, skip what nobody needs."""
        if row.record is None or not row.record.get("settled") or row.exit_node is None:
            self._start_next(row.layer)
            return
        names = list(self.rows)
        end = names.index(row.exit_node) if row.exit_node else len(names)
        skipped = [self.rows[name] for name in names[names.index(node) + 1 : end]]
        for skipped_row in skipped:
            skipped_row.outcome = NOT_NEEDED
        if row.exit_node:
            self.rows[row.exit_node].started_at = time.monotonic()
        self.print_not_needed(skipped)

    def _start_next(self, layer: int) -> None:
        """Start the next row of the layer or, after its last, the next layer's seats."""
        rows = [row for row in self.rows.values() if row.layer == layer]
        following = next((row for row in rows if row.record is None), None)
        if following is None:
            self._start_seats(layer + 1)
        elif following.started_at is None:
            following.started_at = time.monotonic()

    def _start_seats(self, layer: int) -> None:
        for row in self.rows.values():
            if row.layer == layer and "." in row.label:
                row.started_at = time.monotonic()


class PlainDisplay(Display):
    """Prints lines without control codes, for logs and pipes."""

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        """Print the recipe and the thread."""
        super().run_started(recipe, thread_id)
        layers = counted(len(recipe.layers), "layer")
        bound = "at most " if recipe.may_end_early else ""
        calls = counted(max_calls(recipe), "call")
        say(f"moa: {recipe.name}, {layers}, {bound}{calls}, thread {thread_id}")

    def print_row(self, row: DisplayRow) -> None:
        """Print one line for each record."""
        say(f"  {' '.join(filter(None, (row.label, row.model)))}: {row.status}")

    def print_not_needed(self, rows: Sequence[DisplayRow]) -> None:
        """Print one line for each layer or step."""
        layers_with_seats = {row.layer for row in rows if "." in row.label}
        heads = (
            f"layer {row.layer}" if row.layer in layers_with_seats else row.label for row in rows
        )
        for head in dict.fromkeys(heads):
            say(f"  {head}: {NOT_NEEDED}")


class TerminalDisplay(Display):
    """Paints a table on standard error that changes in place."""

    def __init__(self, prints_answer: bool) -> None:
        """Paint nothing before the run begins."""
        super().__init__(prints_answer)
        self._painter: LinePainter | None = None
        self._painting: asyncio.Task[None] | None = None

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        """Start to paint the table."""
        super().run_started(recipe, thread_id)
        self._painter = LinePainter()
        self._painting = asyncio.create_task(self._paint(self._painter))

    def write(self, text: str) -> None:
        """Leave the table as it is when the answer begins on the same terminal."""
        if self.prints_answer and sys.stdout.isatty():
            self._leave_table("answers")
        super().write(text)

    def finish(self, result: Result) -> None:
        """Leave the table as it is at the end."""
        self.close()
        super().finish(result)

    def close(self) -> None:
        """Leave the table; a row that has begun and has no record was stopped."""
        self._leave_table("stopped")

    def _leave_table(self, outcome: str) -> None:
        if self._painting:
            self._painting.cancel()
        if self._painter:
            for row in self.rows.values():
                row.outcome = row.outcome or ("" if row.started_at is None else outcome)
            lines = display_lines(list(self.rows.values()), terminal_size()[0])
            self._painter.paint(lines, last=True)
        self._painter = self._painting = None

    async def _paint(self, painter: LinePainter) -> None:
        while True:
            await asyncio.sleep(FRAME)
            painter.paint(fitting_lines(list(self.rows.values()), *terminal_size()))


@asynccontextmanager
async def open_display(prints_answer: bool) -> AsyncIterator[Display]:
    """The display that suits where standard error goes; it is closed at the end."""
    can_move = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
    display = TerminalDisplay(prints_answer) if can_move else PlainDisplay(prints_answer)
    try:
        yield display
    finally:
        with suppress(OSError):
            display.close()


def summary_line(result: Result) -> str:
    """How the run ended and what it took."""
    usage = result.usage
    price = "price unknown" if result.cost_usd is None else f"${result.cost_usd:.4f}"
    about = "about " if usage.get("estimated") else ""
    return (
        f"moa: {result.status} in {result.seconds:.1f} s, {counted(usage['calls'], 'call')}, "
        f"{about}{usage['input_tokens']} + {usage['output_tokens']} tokens, {price}, "
        f"thread {result.thread_id}"
    )
