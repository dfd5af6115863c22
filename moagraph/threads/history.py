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
from moagraph.threads.trust import REQUEST, approve, of_unknown_origin

# Reads any thread's values: the state is the same for every recipe, only the nodes differ.
READER = {
    "name": "reader",
    "layers": [
        {"proposers": ["scripted:-"], "aggregate": {"step": "synthesize", "model": "scripted:-"}}
    ],
}


class NotStarted(UsageError):
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
    config = {"thread_id": thread_id}
    return {"configurable": {**config, "checkpoint_id": checkpoint} if checkpoint else config}


def compile_recipe(recipe: Recipe, threads: BaseCheckpointSaver[Any]) -> Graph:
    """The recipe's graph, which keeps its runs there."""
    return build(recipe).compile(checkpointer=threads)


async def open_thread(
    threads: BaseCheckpointSaver[Any], thread_id: str, checkpoint: str | None = None
) -> Thread:
    """The thread of that name, as it is or once was, with the recipe of that turn.

    To read one that is not trusted opens nothing that its recipe names.
    """
    config = config_of(thread_id, checkpoint)
    newest = await threads.aget_tuple(config)
    if newest is None:
        raise UnknownName(f"no thread is called {thread_id!r}; `moa threads` lists them")
    # Of that very checkpoint: what its nodes wrote behind it, only the recipe's graph can read.
    state = await compile_recipe(Recipe.model_validate(READER), threads).aget_state(newest.config)
    trust = await trust_of(threads, thread_id)
    recipe = _recipe_of(state, thread_id, trust.trusted)
    graph = compile_recipe(recipe, threads)
    return Thread(graph, recipe, config, await graph.aget_state(config), trust)


async def trust_of(threads: BaseCheckpointSaver[Any], thread_id: str) -> ThreadTrust:
    """Whether the thread is from elsewhere, and may run; one without a record, by its recipe."""
    if recorded := await aread_trust(threads, thread_id):
        return recorded
    newest = await threads.aget_tuple(config_of(thread_id))
    if newest is None or newest.metadata.get(ORIGIN) == LOCAL:
        return ThreadTrust()
    reader = compile_recipe(Recipe.model_validate(READER), threads)
    state = await reader.aget_state(newest.config)
    return of_unknown_origin(state.values.get("recipe"))


async def check_trust(threads: BaseCheckpointSaver[Any], thread_id: str, trust: bool) -> None:
    """Refuse to run a thread from elsewhere, unless it is trusted or `trust` says so now."""
    known_trust = await trust_of(threads, thread_id)
    if trust and not known_trust.trusted:
        await approve(threads, thread_id, known_trust)
    else:
        known_trust.check(thread_id)


async def states_before(graph: Graph, config: RunnableConfig) -> AsyncIterator[StateSnapshot]:
    """The states that led to this one, newest first; other forks are not on the way."""
    current: RunnableConfig | None = config
    while current:
        state = await graph.aget_state(current)
        yield state
        current = state.parent_config


async def state_at_join(thread: Thread, layer: int) -> StateSnapshot:
    """Where the layer's answers were all in, in the newest turn; layer 0 is before the first."""
    if not 0 <= layer <= len(thread.recipe.layers):
        raise UnknownName(f"there is no layer {layer}: the recipe has {len(thread.recipe.layers)}")
    nodes = (
        {node_names.step(layer, "join")}
        if layer
        else {node for _, node, _ in node_names.seats(1, thread.recipe.layers[0].proposers)}
    )
    async for state in states_before(thread.graph, thread.config):
        if set(state.next) == nodes:
            return state
        if (state.metadata or {}).get("source") == "input":
            break
    raise UsageError(
        f"layer {layer} of thread {thread.id!r} is not complete: `moa resume {thread.id}` first"
    )


def _recipe_of(state: StateSnapshot, thread_id: str, trusted: bool) -> Recipe:
    """What the turn kept; before its first node it has kept only which recipe was asked for."""
    origin: Any = (state.metadata or {}).get(REQUEST)
    pending = {task.name for task in state.tasks}
    if trusted and origin and pending and pending <= {"begin", "__start__"}:
        request = json.loads(origin)
        return with_review(load_recipe(str(request["recipe"])), request["pause_after"])
    if state.values.get("recipe"):
        return recipe_from_state(state.values["recipe"], read_prompts=trusted)
    raise NotStarted(f"thread {thread_id!r} had not begun: ask its question again")
