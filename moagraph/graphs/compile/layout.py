"""Lay out a recipe: one NodeSpec for each node, with its settings' path and what it reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from moagraph.graphs.recipe.defaults import answers_read
from moagraph.graphs.recipe.schema import Layer, Recipe
from moagraph.nodes import node_names
from moagraph.nodes.node_spec import NodeSpec, Reads
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.steps.propose import Seat

StepNode: TypeAlias = tuple[NodeSpec, Step]


@dataclass(frozen=True)
class LayerLayout:
    """The nodes of one layer.

    Attributes:
        number: The layer's number, from 1.
        seats: Each proposer's node with its settings.
        join: The node that joins them.
        steps: The nodes after the join, in order.
        exits: For each node that may end the turn, where it then leads; "" is the graph's end.
    """

    number: int
    seats: list[tuple[NodeSpec, Seat]]
    join: NodeSpec
    steps: list[StepNode]
    exits: dict[str, str]

    @property
    def after_seats(self) -> list[NodeSpec]:
        """The join and the steps, in order."""
        return [self.join, *(spec for spec, _ in self.steps)]


def lay_out_layers(recipe: Recipe) -> Iterator[LayerLayout]:
    """Lay out the layers; each reads what the steps of the one before have left."""
    reads: Reads | None = None
    gates: tuple[str, ...] = ()
    preparation = tuple(spec.name for spec, _ in lay_out_preparation(recipe))
    layouts = [_layer(n, layer, preparation) for n, layer in enumerate(recipe.layers, 1)]
    after = _after_steps(recipe, preparation)
    for layout, layer in zip(layouts, recipe.layers, strict=True):
        is_last = layout is layouts[-1]
        steps = _chain(layout, [*layout.steps, *after] if is_last else layout.steps, gates)
        join = replace(layout.join, reads=reads)
        seats = layout.seats
        if not layer.fresh:
            seats = [(replace(spec, reads=reads), seat) for spec, seat in seats]
        exits = _exits(steps, after)
        final = _last_writer(steps) if is_last else None
        writing = _nodes_before_a_writer(after)
        ends = {final, *(node for node, exit_node in exits.items() if exit_node not in writing)}
        steps = [
            (
                replace(
                    spec,
                    ends_turn=spec.name in ends,
                    always_last=spec.name == final,
                    layer_reads=reads,
                ),
                step,
            )
            for spec, step in steps
        ]
        yield LayerLayout(layout.number, seats, join, steps, exits)
        reads = (layout.number, tuple(spec.name for spec in (join, *(s for s, _ in steps))))
        gates += tuple(exits)


def lay_out_preparation(recipe: Recipe) -> list[StepNode]:
    """Lay out the steps before the first layer, each of which sees those before it."""
    steps = _step_nodes(0, recipe.before, ("before",), 0)
    names = tuple(spec.name for spec, _ in steps)
    return [(replace(spec, preparation=names[:n]), step) for n, (spec, step) in enumerate(steps)]


def calling_nodes(recipe: Recipe) -> Iterator[NodeSpec]:
    """Return every node at which a model may be called."""
    yield from (spec for spec, _ in lay_out_preparation(recipe))
    for layout in lay_out_layers(recipe):
        yield from (spec for spec, _ in (*layout.seats, *layout.steps))


def early_end(recipe: Recipe, records: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return the layer and the node that ended the turn before the last layer, if one did."""
    for layout in list(lay_out_layers(recipe))[:-1]:
        for node in layout.exits:
            if records.get(node, {}).get("settled"):
                return layout.number, node
    return None


def _layer(number: int, layer: Layer, preparation: tuple[str, ...]) -> LayerLayout:
    path = ("layers", number - 1)
    seats = [
        (NodeSpec(name, (*path, "proposers", n), number, seat, preparation=preparation), settings)
        for n, (seat, name, settings) in enumerate(node_names.seats(number, layer.proposers))
    ]
    join = NodeSpec(node_names.step(number, "join"), path, number)
    steps = _step_nodes(number, layer.aggregate, (*path, "aggregate"), len(seats), preparation)
    return LayerLayout(number, seats, join, steps, {})


def _after_steps(recipe: Recipe, preparation: tuple[str, ...]) -> list[StepNode]:
    """Lay out the steps of `after`; their nodes are numbered after those of the last layer."""
    last = recipe.layers[-1]
    number, seats = len(recipe.layers), len(last.proposers)
    every = [*last.aggregate, *recipe.after]
    steps = _step_nodes(number, every, ("after",), seats, preparation)
    own = len(last.aggregate)
    return [
        (replace(spec, path=("after", int(spec.path[-1]) - own)), step)
        for spec, step in steps
        if int(spec.path[-1]) >= own
    ]


def _step_nodes(
    layer: int,
    steps: Sequence[Step],
    path: tuple[str | int, ...],
    seats: int,
    preparation: tuple[str, ...] = (),
) -> list[StepNode]:
    """Return a node for each round of each step; the rounds share the step's settings."""
    answers = answers_read(steps, seats)
    return [
        (
            NodeSpec(
                name,
                (*path, index),
                layer,
                kind=kind,
                round=number,
                earlier_rounds=tuple(names[:number]),
                preparation=preparation,
            ),
            step,
        )
        for index, names, step in node_names.steps(layer, steps, answers)
        for number, (name, kind) in enumerate(
            zip(names, step.node_kinds(answers[index]), strict=True)
        )
    ]


def _chain(layout: LayerLayout, steps: list[StepNode], gates: tuple[str, ...]) -> list[StepNode]:
    """Let each step read what the join and the steps before it have left.

    The nodes of a step that rereads all answers do not read one another in this way.
    """
    chained: list[StepNode] = []
    chain: tuple[str, ...] = (layout.join.name,)
    for spec, step in steps:
        own = spec.earlier_rounds if step.rereads_answers else ()
        reads = tuple(node for node in chain if node not in own)
        chained.append((replace(spec, reads=(layout.number, reads), gates=gates), step))
        chain = (*chain, spec.name)
    return chained


def _last_writer(steps: list[StepNode]) -> str:
    """Return the last node that does more than annotate."""
    return [spec.name for spec, step in steps if not step.only_annotates][-1]


def _nodes_before_a_writer(after: list[StepNode]) -> set[str]:
    """Return the nodes of `after` at which, or after which, a step still changes the answer."""
    changes = [not step.only_annotates for _, step in after]
    return {spec.name for number, (spec, _) in enumerate(after) if any(changes[number:])}


def _exits(steps: list[StepNode], after: list[StepNode]) -> dict[str, str]:
    """Return where each node that ends the turn leads: past its own step, or past all layers."""
    later = [spec for spec, _ in after]
    exits = {}
    for spec, step in steps:
        if step.may_end_turn and spec.kind == step.step:
            past = (s.name for s in later if spec.path[0] != "after" or s.path > spec.path)
            exits[spec.name] = next(past, "")
    return exits
