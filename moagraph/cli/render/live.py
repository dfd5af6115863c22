"""What a person sees while a run runs: every seat, and then the answer as it comes."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from moagraph.cli.render.output import out, say
from moagraph.cli.render.rows import Row, counted, fitting, lines, rows_of
from moagraph.cli.render.terminal_lines import Painter, room
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.texts.printable import clean
from moagraph.threads.result import Result

FRAME = 0.1
NOT_NEEDED = "not needed"


class Display:
    """Follows a run; `Plain` and `Alive` show it."""

    def __init__(self, answers: bool) -> None:
        """With `answers`, the last step's words go to standard output as they come."""
        self.answers = answers
        self.rows: dict[str, Row] = {}
        self.answered = ""
        self.message: str | None = None

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Lay out every seat and step of the recipe."""
        self.rows = dict(rows_of(recipe))
        self._go_on(0)

    def stands(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step had its record before this run."""
        row = self.rows.get(node)
        if row:
            row.record = record
            self._go_on_from(node, row)

    def heard(self, place: Mapping[str, Any], text: str) -> None:
        """Count a proposer's words; write the answer's."""
        row = self.rows.get(place.get("langgraph_node", ""))
        if row:
            row.began = row.began or time.monotonic()
            row.pieces += 1
        if place.get("role") == "answer":
            self._answer(place.get("message"), text)

    def write(self, text: str) -> None:
        """A piece of the answer."""
        self.answered += text
        if self.answers:
            out(clean(text), end="")

    def finished(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step is done; when all of a layer's seats are, the next ones begin."""
        row = self.rows.get(node)
        if row:
            row.record = record
            self.shown(row)
            self._go_on_from(node, row)

    def shown(self, row: Row) -> None:
        """A row has its outcome."""

    def ended(self, came: Result) -> None:
        """Close the answer with a line end, and say what the run cost."""
        if self.answers and came.status == "done":
            out("" if self.answered else clean(came.answer))
        elif self.answers and self.answered:
            out("")
        if unparsed := sum(step.get("unparsed", 0) for step in came.steps):
            say(f"moa: {counted(unparsed, 'verdict')} could not be read, and counted for nothing")
        say(summary(came))

    def close(self) -> None:
        """Nothing more will come."""

    def _answer(self, message: str | None, text: str) -> None:
        if self.answered and message != self.message:
            if self.answers:
                out("")
                say("moa: the answer above broke off; it is asked for again")
            self.answered = ""
        self.message = message
        self.write(text)

    def _start_layer(self, layer: int) -> None:
        for row in self.rows.values():
            if row.layer == layer and "." in row.label:
                row.began = time.monotonic()

    def _go_on_from(self, node: str, row: Row) -> None:
        """To the next rows; past those that nobody needs, where the turn is settled."""
        if row.record is None or not row.record.get("settled") or row.exit is None:
            self._go_on(row.layer)
            return
        names = list(self.rows)
        end = names.index(row.exit) if row.exit else len(names)
        passed = [self.rows[name] for name in names[names.index(node) + 1 : end]]
        for other in passed:
            other.ended = NOT_NEEDED
        if row.exit:
            self.rows[row.exit].began = time.monotonic()
        self.passed(passed)

    def passed(self, rows: list[Row]) -> None:
        """These are not needed."""

    def _go_on(self, layer: int) -> None:
        """Whoever is asked next has begun."""
        rows = [row for row in self.rows.values() if row.layer == layer]
        following = next((row for row in rows if row.record is None), None)
        if following is None:
            self._start_layer(layer + 1)
        elif following.began is None:
            following.began = time.monotonic()


class Plain(Display):
    """Lines without control codes, for logs and pipes."""

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Name the run."""
        super().began(recipe, thread_id)
        layers = counted(len(recipe.layers), "layer")
        calls = f"{'at most ' if recipe.may_end_early else ''}{counted(max_calls(recipe), 'call')}"
        say(f"moa: {recipe.name}, {layers}, {calls}, thread {thread_id}")

    def shown(self, row: Row) -> None:
        """One line a row."""
        say(f"  {' '.join(filter(None, (row.label, row.model)))}: {row.told()}")

    def passed(self, rows: list[Row]) -> None:
        """One line a layer."""
        seated = {row.layer for row in rows if "." in row.label}
        heads = (f"layer {row.layer}" if row.layer in seated else row.label for row in rows)
        for head in dict.fromkeys(heads):
            say(f"  {head}: {NOT_NEEDED}")


class Alive(Display):
    """A table on standard error that changes in place."""

    def __init__(self, answers: bool) -> None:
        """Nothing is painted before the run begins."""
        super().__init__(answers)
        self.painter: Painter | None = None
        self.painting: asyncio.Task[None] | None = None

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Show the table."""
        super().began(recipe, thread_id)
        self.painter = Painter()
        self.painting = asyncio.create_task(self._paint(self.painter))

    def write(self, text: str) -> None:
        """Leave the table as it stands when the answer begins on the same terminal."""
        if self.answers and sys.stdout.isatty():
            self._leave("answers")
        super().write(text)

    def ended(self, came: Result) -> None:
        """Leave the table as it stands at the end."""
        self.close()
        super().ended(came)

    def close(self) -> None:
        """Leave the table; who had begun and has no record was stopped."""
        self._leave("stopped")

    def _leave(self, word: str) -> None:
        if self.painting:
            self.painting.cancel()
        if self.painter:
            for row in self.rows.values():
                row.ended = row.ended or ("" if row.began is None else word)
            self.painter.paint(lines(list(self.rows.values()), room()[0]), last=True)
        self.painter = self.painting = None

    async def _paint(self, painter: Painter) -> None:
        while True:
            await asyncio.sleep(FRAME)
            painter.paint(fitting(list(self.rows.values()), *room()))


@asynccontextmanager
async def watcher(answers: bool) -> AsyncIterator[Display]:
    """The display that fits where standard error goes."""
    moving = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
    display = Alive(answers) if moving else Plain(answers)
    try:
        yield display
    finally:
        with suppress(OSError):
            display.close()


def summary(came: Result) -> str:
    """One line: what it came to and what it took."""
    usage = came.usage
    price = "price unknown" if came.cost_usd is None else f"${came.cost_usd:.4f}"
    about = "about " if usage.get("estimated") else ""
    return (
        f"moa: {came.status} in {came.seconds:.1f} s, {counted(usage['calls'], 'call')}, "
        f"{about}{usage['input_tokens']} + {usage['output_tokens']} tokens, {price}, "
        f"thread {came.thread_id}"
    )
