"""Where every node of a recipe stands: what it is called, where it is told, what it reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moagraph.nodes import node_names
from moagraph.graphs.recipe.schema import Layer, Recipe
from moagraph.graphs.recipe.defaults import leaving
from moagraph.nodes.steps.propose import Seat
from moagraph.nodes.state import Place

Reads = tuple[int, tuple[str, ...]]
Told = tuple[Place, Any]


@dataclass(frozen=True)
class Row:
    """A layer: its seats, the join behind them, the steps behind that, and where each may lead."""

    number: int
    seats: list[tuple[Place, Seat]]
    join: Place
    steps: list[Told]
    exits: dict[str, str]

    @property
    def behind(self) -> list[Place]:
        """The join and the steps, as they follow each other."""
        return [self.join, *(place for place, _ in self.steps)]


def rows(recipe: Recipe) -> Iterator[Row]:
    """The recipe's layers, each reading what the steps of the one before have left."""
    reads: Reads | None = None
    gates: tuple[str, ...] = ()
    ahead = tuple(place.node for place, _ in before(recipe))
    layers = [_row(number, layer, ahead) for number, layer in enumerate(recipe.layers, 1)]
    after = _after(recipe, ahead)
    for row, layer in zip(layers, recipe.layers, strict=True):
        last = row is layers[-1]
        steps = _reading(row, [*row.steps, *after] if last else row.steps, gates)
        join = replace(row.join, reads=reads)
        seats = row.seats if layer.fresh else [(replace(p, reads=reads), s) for p, s in row.seats]
        exits = _exits(steps, after)
        final = _final(steps) if last else None
        ends = {final, *(node for node, exit in exits.items() if exit not in _writing(after))}
        steps = [
            (replace(p, last=p.node in ends, final=p.node == final, heard=reads), step)
            for p, step in steps
        ]
        yield Row(row.number, seats, join, steps, exits)
        reads = (row.number, tuple(place.node for place in (join, *(p for p, _ in steps))))
        gates += tuple(exits)


def before(recipe: Recipe) -> list[Told]:
    """The steps ahead of the first layer, each of which knows those before it."""
    steps = _steps(0, recipe.before, ("before",), 0)
    nodes = tuple(place.node for place, _ in steps)
    return [(replace(place, ahead=nodes[:n]), step) for n, (place, step) in enumerate(steps)]


def places(recipe: Recipe) -> Iterator[Place]:
    """Every place at which a model may be asked."""
    yield from (place for place, _ in before(recipe))
    for row in rows(recipe):
        yield from (place for place, _ in (*row.seats, *row.steps))


def ended_by(recipe: Recipe, steps: Mapping[str, Any]) -> tuple[int, str] | None:
    """The layer and the node that have settled the turn ahead of the last layer's own steps."""
    for row in list(rows(recipe))[:-1]:
        for node in row.exits:
            if steps.get(node, {}).get("settled"):
                return row.number, node
    return None


def _row(number: int, layer: Layer, ahead: tuple[str, ...]) -> Row:
    path = ("layers", number - 1)
    seats = [
        (Place(node, (*path, "proposers", index), number, seat, ahead=ahead), said)
        for index, (seat, node, said) in enumerate(node_names.seats(number, layer.proposers))
    ]
    steps = _steps(number, layer.aggregate, (*path, "aggregate"), len(seats), ahead)
    return Row(number, seats, Place(node_names.step(number, "join"), path, number), steps, {})


def _after(recipe: Recipe, ahead: tuple[str, ...]) -> list[Told]:
    """The steps behind the last layer, numbered behind its own."""
    last = recipe.layers[-1]
    told = [*last.aggregate, *recipe.after]
    steps = _steps(len(recipe.layers), told, ("after",), len(last.proposers), ahead)
    own = len(last.aggregate)
    return [
        (replace(place, path=("after", int(place.path[-1]) - own)), step)
        for place, step in steps
        if int(place.path[-1]) >= own
    ]


def _steps(
    layer: int,
    said: Sequence[Any],
    path: tuple[str | int, ...],
    seats: int,
    ahead: tuple[str, ...] = (),
) -> list[Told]:
    """A node for each round of each step; they share the step's settings."""
    left = leaving(said, seats)
    return [
        (
            Place(
                node,
                (*path, index),
                layer,
                kind=kind,
                round=number,
                earlier=tuple(nodes[:number]),
                ahead=ahead,
            ),
            step,
        )
        for index, nodes, step in node_names.steps(layer, said, left)
        for number, (node, kind) in enumerate(zip(nodes, step.nodes(left[index]), strict=True))
    ]


def _reading(row: Row, steps: list[Told], gates: tuple[str, ...]) -> list[Told]:
    """Each step reads what the join and the steps before it have left.

    Nodes that a step takes several of, to read all answers, do not read one another so.
    """
    told: list[Told] = []
    chain: tuple[str, ...] = (row.join.node,)
    for place, step in steps:
        own = place.earlier if step.rereads else ()
        reads = tuple(node for node in chain if node not in own)
        told.append((replace(place, reads=(row.number, reads), gates=gates), step))
        chain = (*chain, place.node)
    return told


def _final(steps: list[Told]) -> str:
    """The last node that does more than to note something."""
    return [place.node for place, step in steps if not step.remarks][-1]


def _writing(after: list[Told]) -> set[str]:
    """The nodes behind the last layer at or behind which one still writes the answer."""
    does = [not step.remarks for _, step in after]
    return {place.node for number, (place, _) in enumerate(after) if any(does[number:])}


def _exits(steps: list[Told], after: list[Told]) -> dict[str, str]:
    """Where a node that settles the turn leads: past its own step, or past all layers.

    Nothing stands for the end.
    """
    behind = [place for place, _ in after]
    exits = {}
    for place, step in steps:
        if step.settles and place.kind == step.step:
            later = (p.node for p in behind if place.path[0] != "after" or p.path > place.path)
            exits[place.node] = next(later, "")
    return exits
