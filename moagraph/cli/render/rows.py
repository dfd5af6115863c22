"""The state of each seat and step of a run, as lines that fit into a terminal."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.cells import cell_len, set_cell_size

from moagraph.graphs.compile.layout import lay_out_layers, lay_out_preparation
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.texts.printable import one_line

STATUS_WIDTH = 44
GAPS = 6
SHORTEST_MODEL = 12


@dataclass
class DisplayRow:
    """One seat or step of a run.

    Attributes:
        label: Its layer and seat, or its layer and step.
        model: The model that it asks.
        layer: Its layer; 0 before the first.
        started_at: When it was asked, on the monotonic clock.
        tokens: How many pieces of its answer have arrived.
        record: Its record once it is done.
        outcome: Its state if it ends without a record.
        exit_node: The node that follows if it settles the turn; "" is the end of the graph.
    """

    label: str
    model: str
    layer: int
    started_at: float | None = None
    tokens: int = 0
    record: Mapping[str, Any] | None = None
    outcome: str = ""
    exit_node: str | None = None

    @property
    def state(self) -> str:
        """Its state in a word."""
        if self.record is not None:
            skipped = self.record.get("kind") == "skipped"
            return "skipped" if skipped else "done" if self.record.get("ok", True) else "failed"
        return self.outcome or ("waiting" if self.started_at is None else "answering")

    @property
    def status(self) -> str:
        """Its state in full."""
        if self.record is not None:
            return _record_status(self.record)
        if self.started_at is None or self.outcome:
            return self.state
        tokens = f", {counted(self.tokens, 'token')} so far" if self.tokens else ""
        return f"answering {time.monotonic() - self.started_at:.0f} s{tokens}"


@dataclass(frozen=True)
class DisplayLine:
    """One line of the display: label and model, then the status, coloured by the state."""

    head: str
    status: str
    state: str


def rows_of(recipe: Recipe) -> Iterator[tuple[str, DisplayRow]]:
    """The row of every node of a recipe that asks a model, by the node's name."""
    for spec, step in lay_out_preparation(recipe):
        yield spec.name, DisplayRow(spec.kind, getattr(step, "model", ""), 0)
    for layer in lay_out_layers(recipe):
        for spec, seat in layer.seats:
            label = f"{layer.number}.{spec.seat}"
            yield spec.name, DisplayRow(label, seat.model, layer.number)
        for spec, step in layer.steps:
            label, model = f"{layer.number} {spec.kind}", getattr(step, "model", "")
            exit_node = layer.exits.get(spec.name)
            yield spec.name, DisplayRow(label, model, layer.number, exit_node=exit_node)


def display_lines(rows: Sequence[DisplayRow], width: int) -> list[DisplayLine]:
    """One line for each row, in columns that do not move when a state changes."""
    label_width = max((cell_len(row.label) for row in rows), default=0)
    room = max(SHORTEST_MODEL, width - label_width - STATUS_WIDTH - GAPS)
    model_width = min(room, max((cell_len(row.model) for row in rows), default=0))
    return [
        DisplayLine(
            f" {set_cell_size(row.label, label_width)}  {_fit(row.model, model_width)}  ",
            row.status,
            row.state,
        )
        for row in rows
    ]


def fitting_lines(rows: Sequence[DisplayRow], width: int, height: int) -> list[DisplayLine]:
    """At most `height` lines: a layer in which no model is answering becomes one line."""
    lines = display_lines(rows, width)
    if len(rows) <= height:
        return lines
    pairs = zip(rows, lines, strict=True)
    layers = [list(group) for _, group in groupby(pairs, lambda pair: pair[0].layer)]
    room = height - len(layers) + 1
    folded: list[DisplayLine] = []
    for layer in layers:
        is_answering = any(row.state == "answering" for row, _ in layer)
        folded += _fold_layer(layer, room) if is_answering else [_sum_line(layer)]
    return folded[:height]


def counted(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _fold_layer(layer: list[tuple[DisplayRow, DisplayLine]], room: int) -> list[DisplayLine]:
    """As many of a layer's lines as there is room for; rows that are answering go first."""
    if len(layer) <= room:
        return [line for _, line in layer]
    ordered = sorted(layer, key=lambda pair: pair[0].state != "answering")
    shown_count = max(0, room - 1)
    first, rest = ordered[:shown_count], ordered[shown_count:]
    return [*(line for row, line in layer if (row, line) in first), _sum_line(rest, "more: ")]


def _sum_line(layer: list[tuple[DisplayRow, DisplayLine]], prefix: str = "") -> DisplayLine:
    """One line that counts the states of a layer's rows."""
    states = Counter(row.state for row, _ in layer)
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    common_state = next(iter(states)) if len(states) == 1 else ""
    return DisplayLine(f" layer {layer[0][0].layer}  ", prefix + counts, common_state)


def _fit(text: str, width: int) -> str:
    """The text in exactly that many cells; a longer one loses its end."""
    text = one_line(text)
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def _record_status(record: Mapping[str, Any]) -> str:
    if record.get("kind") == "skipped":
        return f"not asked: {one_line(record['error'])}"
    if "chosen" in record:
        return f"{record['chosen']}: {one_line(record['why'])}"
    if "settled" in record and "why" in record:
        return f"{'settled' if record['settled'] else 'goes on'}: {one_line(record['why'])}"
    if not record.get("ok", True):
        return f"failed: {one_line(record['error'])}"
    tokens, shortened = record.get("output_tokens"), len(record.get("shortened", ()))
    details = f", {counted(tokens, 'token')}" if tokens else ""
    details += f", {counted(shortened, 'answer')} shortened" if shortened else ""
    details += "".join(f"; {one_line(note)}" for note in record.get("warnings", ()))
    return f"done in {record.get('seconds', 0.0):.1f} s{details}"
