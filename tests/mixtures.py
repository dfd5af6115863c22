"""Recipes and turns as tests write them: layers of seats, and an aggregator."""

import asyncio
from collections.abc import Sequence
from typing import Any

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe

AGGREGATOR = "openai:agg"


def mixture(
    *layers: Sequence[Any], aggregator: str | dict[str, Any] = AGGREGATOR, **said: Any
) -> Recipe:
    """A recipe of these layers of seats whose last is synthesized by the aggregator."""
    told = {"model": aggregator} if isinstance(aggregator, str) else aggregator
    tables: list[dict[str, Any]] = [{"proposers": list(seats)} for seats in layers]
    tables[-1]["aggregate"] = {"step": "synthesize", **told}
    return Recipe.model_validate({"name": "mixture", "layers": tables, **said})


def graph_of(recipe: Recipe, **compiling: Any) -> Any:
    """The compiled graph; typed loosely, as tests call it in every way there is."""
    return build(recipe).compile(**compiling)


def turn(recipe: Recipe, *messages: tuple[str, str], **compiling: Any) -> dict[str, Any]:
    """What one turn comes to, on a loop of its own."""
    answered = graph_of(recipe, **compiling).ainvoke({"messages": list(messages)})
    state: dict[str, Any] = asyncio.run(answered)
    return state


def one_layer(
    *seats: Any,
    aggregator: str | dict[str, Any] = AGGREGATOR,
    budget: dict[str, Any] | None = None,
    **rules: Any,
) -> Recipe:
    """A recipe of one layer with rules of its own, such as a quorum."""
    told = {"model": aggregator} if isinstance(aggregator, str) else aggregator
    layer = {"proposers": list(seats), "aggregate": {"step": "synthesize", **told}, **rules}
    more = {"budget": budget} if budget else {}
    return Recipe.model_validate({"name": "mixture", "layers": [layer], **more})
