"""How far each seat and step has come, and how that fits into a terminal."""

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

TOLD_WIDTH = 44
GAPS = 6
MODEL_LEAST = 12


@dataclass
class Row:
    """One seat or step: what it is and how far it has come."""

    label: str
    model: str
    layer: int
    began: float | None = None
    pieces: int = 0
    record: Mapping[str, Any] | None = None
    ended: str = ""
    exit: str | None = None  # the node that it leads to where it settles the turn

    @property
    def state(self) -> str:
        """Its state in a word."""
        if self.record is not None:
            skipped = self.record.get("kind") == "skipped"
            return "skipped" if skipped else "done" if self.record.get("ok", True) else "failed"
        return self.ended or ("waiting" if self.began is None else "answering")

    def told(self) -> str:
        """Its state in words."""
        if self.record is not None:
            return _outcome(self.record)
        if self.began is None or self.ended:
            return self.state
        heard = f", {counted(self.pieces, 'token')} so far" if self.pieces else ""
        return f"answering {time.monotonic() - self.began:.0f} s{heard}"


@dataclass(frozen=True)
class Line:
    """One line of the display: what it is about, and its state, which may be coloured."""

    head: str
    told: str
    state: str


def rows_of(recipe: Recipe) -> Iterator[tuple[str, Row]]:
    """Every node of a recipe that asks a model."""
    for spec, step in lay_out_preparation(recipe):
        yield spec.name, Row(spec.kind, getattr(step, "model", ""), 0)
    for row in lay_out_layers(recipe):
        for spec, seat in row.seats:
            yield spec.name, Row(f"{row.number}.{spec.seat}", seat.model, row.number)
        for spec, step in row.steps:
            label = f"{row.number} {spec.kind}"
            model, exit = getattr(step, "model", ""), row.exits.get(spec.name)
            yield spec.name, Row(label, model, row.number, exit=exit)


def lines(rows: Sequence[Row], width: int) -> list[Line]:
    """A line a row, in columns that stay where they are while the states change."""
    label = max((cell_len(row.label) for row in rows), default=0)
    room = max(MODEL_LEAST, width - label - TOLD_WIDTH - GAPS)
    model = min(room, max((cell_len(row.model) for row in rows), default=0))
    return [
        Line(
            f" {set_cell_size(row.label, label)}  {_cut(row.model, model)}  ", row.told(), row.state
        )
        for row in rows
    ]


def fitting(rows: Sequence[Row], width: int, height: int) -> list[Line]:
    """The same in few enough lines: a layer that is not at work becomes one."""
    shown = lines(rows, width)
    if len(rows) <= height:
        return shown
    layers = [list(group) for _, group in groupby(zip(rows, shown, strict=True), _layer)]
    spare = height - len(layers) + 1
    folded: list[Line] = []
    for layer in layers:
        at_work = any(row.state == "answering" for row, _ in layer)
        folded += _squeezed(layer, spare) if at_work else [_sum(layer)]
    return folded[:height]


def counted(number: int, thing: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _squeezed(layer: list[tuple[Row, Line]], room: int) -> list[Line]:
    """As many of a layer's lines as there is room for, those at work first."""
    if len(layer) <= room:
        return [line for _, line in layer]
    order = sorted(layer, key=lambda pair: pair[0].state != "answering")
    shown, rest = order[: max(0, room - 1)], order[max(0, room - 1) :]
    return [*(line for row, line in layer if (row, line) in shown), _sum(rest, "more: ")]


def _sum(layer: list[tuple[Row, Line]], more: str = "") -> Line:
    states = Counter(row.state for row, _ in layer)
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    state = next(iter(states)) if len(states) == 1 else ""
    return Line(f" layer {layer[0][0].layer}  ", more + told, state)


def _layer(pair: tuple[Row, Line]) -> int:
    return pair[0].layer


def _cut(text: str, width: int) -> str:
    """The text in so many cells, its end cut off where it is longer."""
    text = one_line(text)
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def _outcome(record: Mapping[str, Any]) -> str:
    if record.get("kind") == "skipped":
        return f"not asked: {one_line(record['error'])}"
    if "chosen" in record:
        return f"{record['chosen']}: {one_line(record['why'])}"
    if "settled" in record and "why" in record:
        return f"{'settled' if record['settled'] else 'goes on'}: {one_line(record['why'])}"
    if not record.get("ok", True):
        return f"failed: {one_line(record['error'])}"
    tokens, cut = record.get("output_tokens"), len(record.get("shortened", ()))
    said = f", {counted(tokens, 'token')}" if tokens else ""
    said += f", {counted(cut, 'answer')} shortened" if cut else ""
    said += "".join(f"; {one_line(note)}" for note in record.get("warnings", ()))
    return f"done in {record.get('seconds', 0.0):.1f} s{said}"
