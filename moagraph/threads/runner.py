"""Run a compiled recipe for one turn, tell a watcher what happens, and read what it came to."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import is_invalid_resume
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes import node_names
from moagraph.nodes.errors import RunError, StepFailed, StorageError, UsageError
from moagraph.nodes.state import Json, merge_keys, merge_layers
from moagraph.threads.events import RunObserver, SilentObserver
from moagraph.threads.result import Result, Status, read_result
from moagraph.threads.savers.steady import Steady, busy
from moagraph.threads.snapshot import values_of

Graph = CompiledStateGraph[Any, Any, Any, Any]

_running: set[tuple[int, str]] = set()


async def run(
    graph: Graph,
    recipe: Recipe,
    values: Any,
    config: RunnableConfig,
    watch: RunObserver | None = None,
) -> Result:
    """Drive the graph until it is done, paused or failed; only wrong usage is raised."""
    began = time.monotonic()
    thread_id = config["configurable"]["thread_id"]
    (watch or SilentObserver()).run_started(recipe, thread_id)
    state: Json = {"layers": {}, "steps": {}}
    error: str | None = None
    failed_records: Mapping[str, Any] | None = None
    try:
        if watch and not isinstance(values, Mapping):
            await _report_existing(graph, config, watch)
        await _drive(graph, values, config, state, watch)
    except StepFailed as failed:
        error = str(failed)
        failed_records = failed.record and {failed.node: failed.record}
    except RunError as failed:
        error = str(failed)
    except StorageError as failed:
        if not state["layers"]:
            raise
        error = str(failed)
    values, after = await _final_state(graph, thread_id, state, error)
    if failed_records:  # a step that failed has written nothing, but its calls were made
        values = {**values, "steps": {**values.get("steps", {}), **failed_records}}
    status: Status = "failed" if error else "paused" if after else "done"
    return read_result(
        values,
        thread_id=thread_id,
        recipe=recipe.name,
        status=status,
        seconds=time.monotonic() - began,
        error=error,
        next=after,
    )


@asynccontextmanager
async def hold(threads: BaseCheckpointSaver[Any], thread_id: str) -> AsyncIterator[None]:
    """Have the thread for one run; another run on it meanwhile would lose a turn."""
    if isinstance(threads, Steady):
        held = threads.held(thread_id)
        await asyncio.to_thread(held.__enter__)
        try:
            yield
        finally:
            held.__exit__(None, None, None)
        return
    key = (id(threads), thread_id)
    if key in _running:
        raise busy(thread_id)
    _running.add(key)
    try:
        yield
    finally:
        _running.discard(key)


async def _drive(
    graph: Graph, values: Any, config: RunnableConfig, state: Json, watch: RunObserver | None
) -> None:
    """Tokens are streamed only where somebody looks; what is written is kept in `state` too."""
    modes: list[StreamMode] = ["updates", "messages"] if watch else ["updates"]
    # Closed here: a graph that an observer's error leaves open reports errors of its own.
    parts: Any = graph.astream(values, config, stream_mode=modes)
    try:
        async with aclosing(parts):
            async for mode, data in parts:
                if mode == "updates":
                    _merge_update(data, state, watch)
                elif watch and data[0].text:
                    watch.token_received({**data[1], "message": data[0].id}, data[0].text)
    except ValueError as error:
        if is_invalid_resume(error):
            raise UsageError(f"the pause stays: {_first_line(error)}") from error
        raise


async def _report_existing(graph: Graph, config: RunnableConfig, watch: RunObserver) -> None:
    """The records that a run which goes on begins with."""
    stored = (await graph.aget_state(config)).values
    for layer, seats in stored.get("layers", {}).items():
        for seat, record in seats.items():
            watch.node_restored(node_names.proposer(int(layer), seat, record["model"]), record)
    for node, record in stored.get("steps", {}).items():
        watch.node_restored(node, record)


def _merge_update(update: Mapping[str, Any], state: Json, watch: RunObserver | None) -> None:
    """Merge what a node wrote, and tell of each call's record."""
    for node, written in update.items():
        if not isinstance(written, Mapping) or node == "begin":
            continue
        state["layers"] = merge_layers(state["layers"], [written.get("layers", {})])
        state["steps"] = merge_keys(state["steps"], [written.get("steps", {})])
        if watch:
            for record in _new_records(node, written):
                watch.node_finished(node, record)


def _new_records(node: str, written: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if node.endswith("_join"):
        return
    for seats in written.get("layers", {}).values():
        yield from seats.values()
    yield from written.get("steps", {}).values()


async def _final_state(
    graph: Graph, thread_id: str, state: Json, error: str | None
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The thread's newest state; where it cannot be read any more, what this run has seen."""
    try:
        stored = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    except StorageError:
        if error is None:
            raise
        return state, ()
    return values_of(stored), stored.next


def _first_line(error: ValueError) -> str:
    """The first thing that a resume value has wrong."""
    problems: list[Any] = getattr(error, "errors", list)()
    if not problems:
        return str(error)
    path = ".".join(str(part) for part in problems[0]["loc"])
    return f"{path}: {problems[0]['msg']}" if path else str(problems[0]["msg"])
