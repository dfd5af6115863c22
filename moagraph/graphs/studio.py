"""What `langgraph.json` names: every recipe that ships, and a mixture put together in a form.

Without a checkpointer, for the server brings its own.
"""

import asyncio
from functools import lru_cache
from typing import TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from moagraph.graphs.compile.build import build
from moagraph.graphs.studio_form import (
    SHIPPED,
    Mixture,
    load_shipped,
    mixture_recipe,
    parse_mixture,
)
from moagraph.nodes.context import Context
from moagraph.nodes.state import Input, Output, State

Graph: TypeAlias = CompiledStateGraph[State, Context, Input, Output]


def _graph(name: str) -> Graph:
    return build(load_shipped(name), answer_only=True).compile()


for _name in SHIPPED:
    globals()[_name.replace("-", "_")] = _graph(_name)


async def mixture(config: RunnableConfig) -> Graph:
    """The graph that the assistant's context means; prompts are read, so not on the loop."""
    chosen = parse_mixture(dict(config.get("configurable", {})))
    return await asyncio.to_thread(_compiled, chosen.shape)


@lru_cache(maxsize=64)
def _compiled(shape: str) -> Graph:
    recipe = mixture_recipe(Mixture.model_validate_json(shape))
    return build(recipe, Mixture, answer_only=True).compile()
