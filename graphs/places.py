"""Where every node of a recipe stands: what it is called, where it is told, what it reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphs import names
from graphs.recipe import Layer, Recipe
from nodes.propose import Seat
from nodes.state import Place

Reads = tuple[int, tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """A layer: its seats, the join behind them, and the steps behind that."""

    number: int
    seats: list[tuple[Place, Seat]]
    join: Place
    steps: list[tuple[Place, Any]]

    @property
    def behind(self) -> list[Place]:
        """The join and the steps, as they follow each other."""
        return [self.join, *(place for place, _ in self.steps)]


def rows(recipe: Recipe) -> Iterator[Row]:
    """The recipe's layers, each reading what the steps of the one before have left."""
    reads: Reads | None = None
    for number, layer in enumerate(recipe.layers, 1):
        join = Place(names.step(number, "join"), ("layers", number - 1), number, reads=reads)
        steps = list(_steps(number, layer, join, last=number == len(recipe.layers)))
        row = Row(number, _seats(number, layer, reads), join, steps)
        yield row
        reads = (number, tuple(place.node for place in row.behind))


def places(recipe: Recipe) -> Iterator[Place]:
    """Every place at which a model is asked."""
    for row in rows(recipe):
        yield from (place for place, _ in (*row.seats, *row.steps))


def _seats(number: int, layer: Layer, reads: Reads | None) -> list[tuple[Place, Seat]]:
    return [
        (Place(node, ("layers", number - 1, "proposers", index), number, seat, reads), said)
        for index, (seat, node, said) in enumerate(names.seats(number, layer.proposers))
    ]


def _steps(number: int, layer: Layer, join: Place, last: bool) -> Iterator[tuple[Place, Any]]:
    """Each step reads what the join and the steps before it have left."""
    chain: tuple[str, ...] = (join.node,)
    indexes = [index for index, said in enumerate(layer.aggregate) if said.step != "concat"]
    for index, (node, said) in zip(indexes, names.steps(number, layer.aggregate), strict=True):
        answers = last and index == len(layer.aggregate) - 1
        path = ("layers", number - 1, "aggregate", index)
        yield Place(node, path, number, reads=(number, chain), last=answers), said
        chain = (*chain, node)
