"""Go on with a thread: after a pause or a crash, after a failure, or from a layer of its past."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from moagraph.nodes.errors import UsageError
from moagraph.nodes.models import event_loops
from moagraph.nodes.policies.review import Review
from moagraph.threads.events import RunObserver
from moagraph.threads.forks import Changes, fork, pause_again, seat_of, without_failures
from moagraph.threads.history import Thread, check_trust, open_thread
from moagraph.threads.result import Result
from moagraph.threads.runner import hold, run

Saver = BaseCheckpointSaver[Any]


async def aresume(
    thread_id: str,
    threads: Saver,
    review: Review | None = None,
    watch: RunObserver | None = None,
    trust: bool = False,
) -> Result:
    """Go on after a pause, with what a person decided, or after a crash.

    `trust` lets a thread run that was imported, from now on.
    """
    async with hold(threads, thread_id):
        await check_trust(threads, thread_id, trust)
        thread = await open_thread(threads, thread_id)
        if not thread.state.tasks:
            raise UsageError(f"thread {thread_id!r} is done: there is nothing to resume")
        if _decision_failed(thread):
            await pause_again(thread, thread.state.tasks[0].name)
            thread = await open_thread(threads, thread_id)
        values = _resume_value(thread, review)
        return await run(thread.graph, thread.recipe, values, thread.config, watch)


async def aretry(
    thread_id: str, threads: Saver, watch: RunObserver | None = None, trust: bool = False
) -> Result:
    """Ask again only what failed: the seats of a layer without quorum, or the last step."""
    async with hold(threads, thread_id):
        await check_trust(threads, thread_id, trust)
        thread = await open_thread(threads, thread_id)
        if not thread.state.tasks:
            raise UsageError(f"thread {thread_id!r} is done: there is nothing to retry")
        if thread.state.interrupts and not _decision_failed(thread):
            raise UsageError(f"thread {thread_id!r} is paused: `moa resume {thread_id}`")
        layer = _pending_join(thread)
        if thread.state.interrupts and not layer:
            raise UsageError(f"thread {thread_id!r} was stopped: `moa resume {thread_id}`")
        config = await without_failures(thread, layer) if layer else thread.config
        return await run(thread.graph, thread.recipe, None, config, watch)


async def areplay(
    thread_id: str,
    threads: Saver,
    *,
    from_layer: int | None = None,
    edit: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    again: Sequence[str] = (),
    put: Mapping[str, str] | None = None,
    watch: RunObserver | None = None,
    trust: bool = False,
) -> Result:
    """Let a layer's answers stand, changed as told, and run everything behind it in a fork."""
    changes = Changes(
        edit={seat_of(name): text for name, text in (edit or {}).items()},
        drop=[seat_of(name) for name in drop],
        again=[seat_of(name) for name in again],
        put=put or {},
    )
    async with hold(threads, thread_id):
        await check_trust(threads, thread_id, trust)
        forked, config = await fork(
            await open_thread(threads, thread_id), threads, from_layer, changes
        )
        return await run(forked.graph, forked.recipe, None, config, watch)


def resume(
    thread_id: str, threads: Saver, review: Review | None = None, trust: bool = False
) -> Result:
    """See `aresume`."""
    return event_loops.run(aresume(thread_id, threads, review, trust=trust))


def retry(thread_id: str, threads: Saver, trust: bool = False) -> Result:
    """See `aretry`."""
    return event_loops.run(aretry(thread_id, threads, trust=trust))


def replay(thread_id: str, threads: Saver, **changes: Any) -> Result:
    """See `areplay`."""
    return event_loops.run(areplay(thread_id, threads, **changes))


def _decision_failed(thread: Thread) -> bool:
    """Whether a pause was decided and the decision failed; the engine would only repeat it."""
    return bool(thread.state.interrupts) and any(task.error for task in thread.state.tasks)


def _resume_value(thread: Thread, review: Review | None) -> Command[Any] | None:
    if thread.state.interrupts:
        return Command(resume=(review or Review()).model_dump(mode="json"))
    if review:
        raise UsageError(
            f"thread {thread.id!r} is not paused for a review: resume it as it is, "
            f"or change a layer with `moa replay {thread.id}`"
        )
    return None


def _pending_join(thread: Thread) -> int:
    """The layer whose join is next; 0 where something else is."""
    nodes = [task.name for task in thread.state.tasks if task.name.endswith("_join")]
    return int(nodes[0][1:].split("_")[0]) if nodes else 0
