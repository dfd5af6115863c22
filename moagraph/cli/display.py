"""What a person sees while a run runs: every seat, and then the answer as it comes."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from graphs import names
from graphs.recipe import Recipe
from moagraph.cli.screen import clean, out, say
from moagraph.result import Result


@dataclass
class Row:
    """One seat or step: what it is and how far it has come."""

    label: str
    model: str
    layer: int
    began: float | None = None
    pieces: int = 0
    record: Mapping[str, Any] | None = None

    def told(self) -> tuple[str, str]:
        """Its state in words, and the style they are shown in."""
        if self.record is not None:
            return _outcome(self.record)
        if self.began is None:
            return "waiting", "dim"
        heard = f", {self.pieces} tokens so far" if self.pieces else ""
        return f"answering {time.monotonic() - self.began:.0f} s{heard}", "cyan"


class Display:
    """Follows a run; `Plain` and `Alive` show it."""

    def __init__(self, answers: bool) -> None:
        """With `answers`, the last step's words go to standard output as they come."""
        self.answers = answers
        self.rows: dict[str, Row] = {}
        self.answered = ""

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Lay out every seat and step of the recipe."""
        self.rows = dict(_rows(recipe))
        self._start_layer(1)

    def heard(self, place: Mapping[str, Any], text: str) -> None:
        """Count a proposer's words; write the answer's."""
        row = self.rows.get(place.get("langgraph_node", ""))
        if row:
            row.began = row.began or time.monotonic()
            row.pieces += 1
        if place.get("role") == "answer":
            self.write(text)

    def write(self, text: str) -> None:
        """A piece of the answer."""
        self.answered += text
        if self.answers:
            out(clean(text), end="")

    def finished(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step is done; when all of a layer's seats are, the next ones begin."""
        row = self.rows.get(node)
        if row is None:
            return
        row.record = record
        self.shown(row)
        layer = [other for other in self.rows.values() if other.layer == row.layer]
        following = next((other for other in layer if other.record is None), None)
        if following is None:
            self._start_layer(row.layer + 1)
        elif following.began is None:
            following.began = time.monotonic()

    def shown(self, row: Row) -> None:
        """A row has its outcome."""

    def ended(self, came: Result) -> None:
        """Close the answer with a line end, and say what the run cost."""
        if self.answers and came.status == "done":
            rest = came.answer if not self.answered else ""
            out(clean(rest) if rest else "")
        say(summary(came))

    def _start_layer(self, layer: int) -> None:
        for row in self.rows.values():
            if row.layer == layer and "." in row.label:
                row.began = time.monotonic()


class Plain(Display):
    """Lines without control codes, for logs and pipes."""

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Name the run."""
        super().began(recipe, thread_id)
        say(f"moa: {recipe.name}, {len(recipe.layers)} layers, {recipe.calls} calls")

    def shown(self, row: Row) -> None:
        """One line a row."""
        say(f"  {row.label} {row.model}: {row.told()[0]}")


class Alive(Display):
    """A table on standard error that changes in place."""

    def __init__(self, answers: bool) -> None:
        """Prepare the table."""
        super().__init__(answers)
        console = Console(stderr=True)
        self.live = Live(console=console, refresh_per_second=8, get_renderable=self.table)

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Show the table."""
        super().began(recipe, thread_id)
        self.live.start()

    def write(self, text: str) -> None:
        """Leave the table as it stands when the answer begins on the same terminal."""
        if self.answers and sys.stdout.isatty():
            self.live.stop()
        super().write(text)

    def ended(self, came: Result) -> None:
        """Take the table's last state."""
        self.live.stop()
        super().ended(came)

    def table(self) -> Table:
        """Every seat of every layer, and the steps behind them."""
        table = Table(box=None, show_header=False, padding=(0, 1))
        for row in self.rows.values():
            told, style = row.told()
            model = Text(row.model, overflow="ellipsis", no_wrap=True)
            table.add_row(row.label, model, Text(clean(told), style, no_wrap=True))
        return table


@contextmanager
def watcher(answers: bool) -> Iterator[Display]:
    """The display that fits where standard error goes."""
    display = Alive(answers) if sys.stderr.isatty() else Plain(answers)
    try:
        yield display
    finally:
        if isinstance(display, Alive):
            display.live.stop()


def summary(came: Result) -> str:
    """One line: what it came to and what it took."""
    usage = came.usage
    price = "price unknown" if came.cost_usd is None else f"${came.cost_usd:.4f}"
    return (
        f"moa: {came.status} in {came.seconds:.1f} s, {usage['calls']} calls, "
        f"{usage['input_tokens']} + {usage['output_tokens']} tokens, {price}, "
        f"thread {came.thread_id}"
    )


def _rows(recipe: Recipe) -> Iterator[tuple[str, Row]]:
    for number, layer in enumerate(recipe.layers, 1):
        for seat, node, said in names.seats(number, layer.proposers):
            yield node, Row(f"{number}.{seat}", said.model, number)
        for node, step in names.steps(number, layer.aggregate):
            yield node, Row(f"{number} {step.step}", step.model, number)


def _outcome(record: Mapping[str, Any]) -> tuple[str, str]:
    if record.get("ok", True):
        tokens = record.get("output_tokens")
        return (
            f"done in {record['seconds']:.1f} s" + (f", {tokens} tokens" if tokens else ""),
            "green",
        )
    return f"failed: {record['error']}", "red"
