"""What `langgraph.json` names: every recipe that ships, and a mixture put together in a form.

Without a checkpointer, for the server brings its own.
"""

import asyncio
from functools import lru_cache
from typing import TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from graphs.build import build
from graphs.mixture import Mixture, mixture_of, recipe_of, shipped
from nodes.context import Context
from nodes.state import Input, Output, State

Graph: TypeAlias = CompiledStateGraph[State, Context, Input, Output]


def _graph(name: str) -> Graph:
    return build(shipped(name), answer_only=True).compile()


local = _graph("local")
moa = _graph("moa")
moa_gpt_4o = _graph("moa-gpt-4o")
moa_lite = _graph("moa-lite")
ollama = _graph("ollama")
openai = _graph("openai")
single_proposer = _graph("single-proposer")
together = _graph("together")


async def mixture(config: RunnableConfig) -> Graph:
    """The graph that the assistant's context means; prompts are read, so not on the loop."""
    chosen = mixture_of(dict(config.get("configurable", {})))
    return await asyncio.to_thread(_compiled, chosen.shape)


@lru_cache(maxsize=64)
def _compiled(shape: str) -> Graph:
    recipe = recipe_of(Mixture.model_validate_json(shape))
    return build(recipe, Mixture, answer_only=True).compile()
