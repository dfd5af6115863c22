"""Node names: they sort in running order, and have no character that LangGraph reserves."""

import re
from collections.abc import Iterator, Sequence
from typing import Any


def seat(index: int, count: int) -> str:
    """Return a seat's number, padded so that seats sort in order.

    Args:
        index: The seat's index, from 0.
        count: How many seats the layer has.
    """
    return f"{index + 1:0{max(2, len(str(count)))}d}"


def proposer(layer: int, seat: str, model: str) -> str:
    """Return the name of a seat's node.

    Args:
        layer: The layer's number.
        seat: The seat's number, as `seat` returns it.
        model: The model, as `provider:model`.
    """
    return f"L{layer}_{seat}_{slug(model)}"


def step(layer: int, kind: str, before: int = 0) -> str:
    """Return the name of a join's or a step's node.

    Args:
        layer: The layer's number.
        kind: The node's kind, such as `rank`.
        before: How many nodes of that kind the layer has before it.
    """
    return f"L{layer}_{kind}_{before + 1}" if before else f"L{layer}_{kind}"


def slug(model: str) -> str:
    """Return a model's name as part of a node's: short, only a-z, digits and dashes.

    Args:
        model: The model, as `provider:model`.
    """
    name = re.split(r"[:/]", model.rstrip("/"))[-1].lower()
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:28].strip("-") or "model"


def seats(layer: int, proposers: Sequence[Any]) -> list[tuple[str, str, Any]]:
    """Return the number, the node's name and the settings of each seat.

    Args:
        layer: The layer's number.
        proposers: The settings of its seats.
    """
    numbers = [seat(index, len(proposers)) for index in range(len(proposers))]
    return [
        (number, proposer(layer, number, settings.model), settings)
        for number, settings in zip(numbers, proposers, strict=True)
    ]


def steps(
    layer: int, steps: Sequence[Any], answers: Sequence[int]
) -> Iterator[tuple[int, list[str], Any]]:
    """Yield the index, the nodes' names and the settings of each step that has nodes.

    Args:
        layer: The layer's number.
        steps: The settings of its steps.
        answers: How many answers each of them reads.
    """
    kinds: list[str] = []
    for index, settings in enumerate(steps):
        names = []
        for kind in settings.node_kinds(answers[index]):
            names.append(step(layer, kind, kinds.count(kind)))
            kinds.append(kind)
        if names:
            yield index, names, settings
