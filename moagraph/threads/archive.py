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
    check_document,
    damaged_export,
    decode_entries,
    encode_value,
    make_document,
)
from moagraph.threads.history import config_of
from moagraph.threads.runner import hold
from moagraph.threads.trust import resources_in

Saver = BaseCheckpointSaver[Any]


def export_thread(threads: Saver, thread_id: str) -> dict[str, Any]:
    """All that the thread keeps, as plain JSON."""
    with lock_thread(threads, thread_id):
        tuples = read_checkpoints(threads, thread_id)
    document = [_export_entry(item, tuples.get(parent_id(item) or "")) for item in tuples.values()]
    return make_document(thread_id, document[::-1])


def import_thread(
    threads: Saver, document: Mapping[str, Any], thread_id: str | None = None, trust: bool = False
) -> str:
    """Make a thread of an exported one, under its own name or another; whole or not at all.

    It can be read at once, and runs only once it is trusted: here, or later by who runs it.
    """
    checked_document = check_document(document)
    name = checked_document.thread_id if thread_id is None else thread_id
    if not name.isprintable():
        raise UsageError(f"{name!r} is no name for a thread: give it another with `--as NAME`")
    stored = list(decode_entries(checked_document))
    resources = _resources(stored)
    with lock_thread(threads, name):
        _store(threads, name, stored, ThreadTrust(True, trust, resources))
    return name


def _resources(stored: list[tuple[Entry, Checkpoint, Tasks]]) -> tuple[Resource, ...]:
    """What the thread's recipes reach; a thread whose recipes cannot be listed is refused."""
    if any(entry.ns == NAMESPACE for entry, _, _ in stored):
        raise damaged_export("it says of itself whether it is trusted")
    try:
        named = [(entry.metadata, checkpoint, tasks) for entry, checkpoint, tasks in stored]
        return tuple(resources_in(named))
    except (MoaError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise damaged_export(str(error)) from error


@contextmanager
def lock_thread(threads: Saver, thread_id: str) -> Iterator[None]:
    """No run can have the thread; the work stays on this thread, so that Ctrl-C undoes it."""
    holding = hold(threads, thread_id)
    event_loops.run(holding.__aenter__())
    try:
        yield
    finally:
        event_loops.run(holding.__aexit__(None, None, None))


def read_checkpoints(threads: Saver, thread_id: str) -> dict[str, CheckpointTuple]:
    """The thread's checkpoints by their ids, newest first."""
    listed = threads.list(config_of(thread_id))
    tuples = {item.checkpoint["id"]: item for item in listed if not is_record(item.config)}
    if not tuples:
        raise unknown_thread(thread_id)
    return tuples


def unknown_thread(thread_id: str) -> UnknownName:
    """Why a thread cannot be had at all."""
    return UnknownName(f"no thread is called {thread_id!r}; `moa threads` lists them")


def parent_id(item: CheckpointTuple) -> str | None:
    """The id of the checkpoint that this one came from."""
    return item.parent_config["configurable"]["checkpoint_id"] if item.parent_config else None


def _export_entry(item: CheckpointTuple, parent_tuple: CheckpointTuple | None) -> dict[str, Any]:
    frame: dict[str, Any] = {**item.checkpoint}
    values = frame.pop("channel_values")
    versions = parent_tuple.checkpoint["channel_versions"] if parent_tuple else {}
    # Postgres finds a snapshot again under each later checkpoint of the same version.
    own = {
        channel: value
        for channel, value in values.items()
        if not isinstance(value, _DeltaSnapshot)
        or versions.get(channel) != frame["channel_versions"][channel]
    }
    return {
        "ns": item.config["configurable"]["checkpoint_ns"],
        "id": frame.pop("id"),
        "parent": parent_id(item),
        "frame": frame,
        "values": {channel: encode_value(own[channel]) for channel in sorted(own)},
        "metadata": dict(item.metadata),
        "writes": [
            [task, channel, *encode_value(value)]
            for task, channel, value in item.pending_writes or []
        ],
    }


def _store(
    threads: Saver,
    thread_id: str,
    stored: list[tuple[Entry, Checkpoint, Tasks]],
    trust: ThreadTrust,
) -> None:
    if threads.get_tuple(config_of(thread_id)):
        raise UsageError(
            f"there is a thread {thread_id!r} already: take another name with `--as NAME`"
        )
    versions: dict[str | None, ChannelVersions] = {}
    try:
        write_trust(threads, thread_id, trust)  # first: what is cut off here runs no sooner
        for entry, checkpoint, tasks in stored:
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
