"""What the nodes are called: sorted as the layers run, and free of signs the engine reserves."""

import re
from collections.abc import Iterator, Sequence
from typing import Any


def seat(index: int, of: int) -> str:
    """A seat's number, padded so that seats sort in order."""
    return f"{index + 1:0{max(2, len(str(of)))}d}"


def proposer(layer: int, seat: str, model: str) -> str:
    """The node of one seat."""
    return f"L{layer}_{seat}_{slug(model)}"


def step(layer: int, kind: str, before: int = 0) -> str:
    """The node of a join or a step, numbered where the layer has one of that kind before."""
    return f"L{layer}_{kind}_{before + 1}" if before else f"L{layer}_{kind}"


def slug(model: str) -> str:
    """A model's name as part of a node's: short, lower case, only letters, digits, dashes."""
    name = re.split(r"[:/]", model.rstrip("/"))[-1].lower()
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:28].strip("-") or "model"


def seats(layer: int, proposers: Sequence[Any]) -> list[tuple[str, str, Any]]:
    """A layer's seats: number, node, and what the recipe says of it."""
    numbered = [(seat(index, len(proposers)), said) for index, said in enumerate(proposers)]
    return [(number, proposer(layer, number, said.model), said) for number, said in numbered]


def steps(
    layer: int, said: Sequence[Any], seats: Sequence[int]
) -> Iterator[tuple[int, list[str], Any]]:
    """A layer's steps that are nodes of their own: where each is told, and its nodes.

    Each step reads so many answers.
    """
    kinds: list[str] = []
    for index, one in enumerate(said):
        nodes = []
        for kind in one.node_kinds(seats[index]):
            nodes.append(step(layer, kind, kinds.count(kind)))
            kinds.append(kind)
        if nodes:
            yield index, nodes, one
