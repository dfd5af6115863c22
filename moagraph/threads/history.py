"""A thread's past: its turns, and the checkpoint at which each layer came together."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import StateSnapshot

from moagraph.graphs.compile.build import build
from moagraph.graphs.compile.thread_trust import LOCAL, ORIGIN, ThreadTrust, aread_trust
from moagraph.graphs.recipe.load import load_recipe, recipe_from_state
from moagraph.graphs.recipe.schema import Recipe, with_review
from moagraph.nodes import node_names
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.threads.runner import Graph
from moagraph.threads.trust import ASKED, approve, of_unknown_origin

# Reads any thread's values: the state is the same for every recipe, only the nodes differ.
READER = {
    "name": "reader",
    "layers": [
        {"proposers": ["scripted:-"], "aggregate": {"step": "synthesize", "model": "scripted:-"}}
    ],
}


class NotBegun(UsageError):
    """A thread was cut off before its first node: nobody was asked."""


@dataclass(frozen=True)
class Thread:
    """A thread as it stands, and the graph that its recipe compiles to."""

    graph: Graph
    recipe: Recipe
    config: RunnableConfig
    state: StateSnapshot
    trust: ThreadTrust

    @property
    def id(self) -> str:
        """The thread's name."""
        return str(self.config["configurable"]["thread_id"])


def config_of(thread_id: str, checkpoint: str | None = None) -> RunnableConfig:
    """The thread at that checkpoint; at its newest where none is named."""
    where = {"thread_id": thread_id}
    return {"configurable": {**where, "checkpoint_id": checkpoint} if checkpoint else where}


def compiled(recipe: Recipe, threads: BaseCheckpointSaver[Any]) -> Graph:
    """The recipe's graph, which keeps its runs there."""
    return build(recipe).compile(checkpointer=threads)


async def opened(
    threads: BaseCheckpointSaver[Any], thread_id: str, checkpoint: str | None = None
) -> Thread:
    """The thread of that name, as it is or once was, with the recipe of that turn.

    To read one that is not trusted opens nothing that its recipe names.
    """
    config = config_of(thread_id, checkpoint)
    kept = await threads.aget_tuple(config)
    if kept is None:
        raise UnknownName(f"no thread is called {thread_id!r}; `moa threads` lists them")
    # Of that very checkpoint: what its nodes wrote behind it, only the recipe's graph can read.
    state = await compiled(Recipe.model_validate(READER), threads).aget_state(kept.config)
    trust = await trust_of(threads, thread_id)
    recipe = _recipe(state, thread_id, trust.trusted)
    graph = compiled(recipe, threads)
    return Thread(graph, recipe, config, await graph.aget_state(config), trust)


async def trust_of(threads: BaseCheckpointSaver[Any], thread_id: str) -> ThreadTrust:
    """Whether the thread is from elsewhere, and may run; one without a record, by its recipe."""
    if recorded := await aread_trust(threads, thread_id):
        return recorded
    newest = await threads.aget_tuple(config_of(thread_id))
    if newest is None or newest.metadata.get(ORIGIN) == LOCAL:
        return ThreadTrust()
    reader = compiled(Recipe.model_validate(READER), threads)
    state = await reader.aget_state(newest.config)
    return of_unknown_origin(state.values.get("recipe"))


async def check_trust(threads: BaseCheckpointSaver[Any], thread_id: str, trust: bool) -> None:
    """Refuse to run a thread from elsewhere, unless it is trusted or `trust` says so now."""
    known = await trust_of(threads, thread_id)
    if trust and not known.trusted:
        await approve(threads, thread_id, known)
    else:
        known.check(thread_id)


async def back(graph: Graph, config: RunnableConfig) -> AsyncIterator[StateSnapshot]:
    """The states that led to this one, newest first; other forks are not on the way."""
    where: RunnableConfig | None = config
    while where:
        state = await graph.aget_state(where)
        yield state
        where = state.parent_config


async def at_join(thread: Thread, layer: int) -> StateSnapshot:
    """Where the layer's answers were all in, in the newest turn; layer 0 is before the first."""
    if not 0 <= layer <= len(thread.recipe.layers):
        raise UnknownName(f"there is no layer {layer}: the recipe has {len(thread.recipe.layers)}")
    wanted = (
        {node_names.step(layer, "join")}
        if layer
        else {node for _, node, _ in node_names.seats(1, thread.recipe.layers[0].proposers)}
    )
    async for state in back(thread.graph, thread.config):
        if set(state.next) == wanted:
            return state
        if (state.metadata or {}).get("source") == "input":
            break
    raise UsageError(
        f"layer {layer} of thread {thread.id!r} is not complete: `moa resume {thread.id}` first"
    )


def _recipe(state: StateSnapshot, thread_id: str, trusted: bool) -> Recipe:
    """What the turn kept; before its first node it has kept only which recipe was asked for."""
    told: Any = (state.metadata or {}).get(ASKED)
    pending = {task.name for task in state.tasks}
    if trusted and told and pending and pending <= {"begin", "__start__"}:
        asked = json.loads(told)
        return with_review(load_recipe(str(asked["recipe"])), asked["pause_after"])
    if state.values.get("recipe"):
        return recipe_from_state(state.values["recipe"], read_prompts=trusted)
    raise NotBegun(f"thread {thread_id!r} had not begun: ask its question again")
