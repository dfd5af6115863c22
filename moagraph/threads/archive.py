"""A thread as one JSON document, which any saver can take in again exactly as it was."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from moagraph.graphs.compile.thread_trust import NAMESPACE, ThreadTrust, is_record, write_trust
from moagraph.nodes.errors import MoaError, UnknownName, UsageError
from moagraph.nodes.models import event_loops
from moagraph.nodes.resources import Resource
from moagraph.threads.export_schema import (
    Entry,
    Tasks,
    checked,
    damaged,
    document,
    entries,
    written,
)
from moagraph.threads.history import config_of
from moagraph.threads.runner import hold
from moagraph.threads.trust import resources_in

Saver = BaseCheckpointSaver[Any]


def export_thread(threads: Saver, thread_id: str) -> dict[str, Any]:
    """All that the thread keeps, as plain JSON."""
    with held(threads, thread_id):
        tuples = found(threads, thread_id)
    said = [_entry(one, tuples.get(parent(one) or "")) for one in tuples.values()]
    return document(thread_id, said[::-1])


def import_thread(
    threads: Saver, said: Mapping[str, Any], thread_id: str | None = None, trust: bool = False
) -> str:
    """Make a thread of an exported one, under its own name or another; whole or not at all.

    It can be read at once, and runs only once it is trusted: here, or later by who runs it.
    """
    read = checked(said)
    name = read.thread_id if thread_id is None else thread_id
    if not name.isprintable():
        raise UsageError(f"{name!r} is no name for a thread: give it another with `--as NAME`")
    kept = list(entries(read))
    resources = _resources(kept)
    with held(threads, name):
        _put(threads, name, kept, ThreadTrust(True, trust, resources))
    return name


def _resources(kept: list[tuple[Entry, Checkpoint, Tasks]]) -> tuple[Resource, ...]:
    """What the thread's recipes reach; a thread whose recipes cannot be listed is refused."""
    if any(entry.ns == NAMESPACE for entry, _, _ in kept):
        raise damaged("it says of itself whether it is trusted")
    try:
        named = [(entry.metadata, checkpoint, tasks) for entry, checkpoint, tasks in kept]
        return tuple(resources_in(named))
    except (MoaError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise damaged(str(error)) from error


@contextmanager
def held(threads: Saver, thread_id: str) -> Iterator[None]:
    """No run can have the thread; the work stays on this thread, so that Ctrl-C undoes it."""
    holding = hold(threads, thread_id)
    event_loops.run(holding.__aenter__())
    try:
        yield
    finally:
        event_loops.run(holding.__aexit__(None, None, None))


def found(threads: Saver, thread_id: str) -> dict[str, CheckpointTuple]:
    """The thread's checkpoints by their ids, newest first."""
    listed = threads.list(config_of(thread_id))
    tuples = {one.checkpoint["id"]: one for one in listed if not is_record(one.config)}
    if not tuples:
        raise unknown(thread_id)
    return tuples


def unknown(thread_id: str) -> UnknownName:
    """Why a thread cannot be had at all."""
    return UnknownName(f"no thread is called {thread_id!r}; `moa threads` lists them")


def parent(one: CheckpointTuple) -> str | None:
    """The id of the checkpoint that this one came from."""
    return one.parent_config["configurable"]["checkpoint_id"] if one.parent_config else None


def _entry(one: CheckpointTuple, above: CheckpointTuple | None) -> dict[str, Any]:
    frame: dict[str, Any] = {**one.checkpoint}
    values = frame.pop("channel_values")
    versions = above.checkpoint["channel_versions"] if above else {}
    # Postgres finds a snapshot again under each later checkpoint of the same version.
    own = {
        channel: value
        for channel, value in values.items()
        if not isinstance(value, _DeltaSnapshot)
        or versions.get(channel) != frame["channel_versions"][channel]
    }
    return {
        "ns": one.config["configurable"]["checkpoint_ns"],
        "id": frame.pop("id"),
        "parent": parent(one),
        "frame": frame,
        "values": {channel: written(own[channel]) for channel in sorted(own)},
        "metadata": dict(one.metadata),
        "writes": [
            [task, channel, *written(value)] for task, channel, value in one.pending_writes or []
        ],
    }


def _put(
    threads: Saver,
    thread_id: str,
    kept: list[tuple[Entry, Checkpoint, Tasks]],
    trust: ThreadTrust,
) -> None:
    if threads.get_tuple(config_of(thread_id)):
        raise UsageError(
            f"there is a thread {thread_id!r} already: take another name with `--as NAME`"
        )
    versions: dict[str | None, ChannelVersions] = {}
    try:
        write_trust(threads, thread_id, trust)  # first: what is cut off here runs no sooner
        for entry, checkpoint, tasks in kept:
            now, before = checkpoint["channel_versions"], versions.get(entry.parent, {})
            new = {channel: now[channel] for channel in now if now[channel] != before.get(channel)}
            versions[entry.id] = now
            _put_entry(threads, thread_id, entry, checkpoint, new)
            _put_tasks(threads, _config(thread_id, entry.ns, entry.id), tasks)
    except BaseException:
        threads.delete_thread(thread_id)
        raise


def _put_entry(
    threads: Saver, thread_id: str, entry: Entry, checkpoint: Checkpoint, new: ChannelVersions
) -> None:
    metadata: Any = entry.metadata
    threads.put(_config(thread_id, entry.ns, entry.parent), checkpoint, metadata, new)


def _put_tasks(threads: Saver, where: RunnableConfig, tasks: Tasks) -> None:
    """Under paths of their own: savers list the tasks by path, and do not tell it."""
    for number, (task, writes) in enumerate(tasks.items()):
        threads.put_writes(where, writes, task, f"{number:05}")


def _config(thread_id: str, ns: str, checkpoint_id: str | None) -> RunnableConfig:
    where = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": where}
