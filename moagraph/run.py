"""Run a compiled recipe for one turn, tell a watcher what happens, and read what it came to."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from graphs.recipe import Recipe
from moagraph.result import Result, Status, result
from moagraph.watch import Unwatched, Watch
from nodes.errors import RunError

Graph = CompiledStateGraph[Any, Any, Any, Any]


async def run(
    graph: Graph,
    recipe: Recipe,
    given: Any,
    config: RunnableConfig,
    watch: Watch | None = None,
) -> Result:
    """Drive the graph until it is done, paused or failed; only wrong usage is raised."""
    began = time.monotonic()
    thread_id = config["configurable"]["thread_id"]
    seen = watch or Unwatched()
    seen.began(recipe, thread_id)
    error: RunError | None = None
    try:
        await _drive(graph, given, config, seen, watched=watch is not None)
    except RunError as failed:
        error = failed
    state = await graph.aget_state(_latest(config))
    status: Status = "failed" if error else "paused" if state.next else "done"
    return result(
        state.values,
        thread_id=thread_id,
        recipe=recipe.name,
        status=status,
        seconds=time.monotonic() - began,
        error=str(error) if error else None,
        next=state.next,
    )


async def _drive(
    graph: Graph, given: Any, config: RunnableConfig, watch: Watch, watched: bool
) -> None:
    """Tokens are streamed only where somebody looks."""
    modes: list[StreamMode] = ["updates", "messages"] if watched else ["updates"]
    parts: AsyncIterator[Any] = graph.astream(given, config, stream_mode=modes)
    async for mode, data in parts:
        if mode == "messages":
            piece, place = data
            if piece.text:
                watch.heard(place, piece.text)
            continue
        for node, record in _records(data):
            watch.finished(node, record)


def _records(update: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The records of calls in what a node wrote."""
    for node, written in update.items():
        if not isinstance(written, Mapping):
            continue
        if node.endswith("_join") or node == "begin":
            continue
        for seats in written.get("layers", {}).values():
            for record in seats.values():
                yield node, record
        for record in written.get("steps", {}).values():
            yield node, record


def _latest(config: RunnableConfig) -> RunnableConfig:
    """The thread itself, not the checkpoint that a replay began at."""
    return {"configurable": {"thread_id": config["configurable"]["thread_id"]}}
