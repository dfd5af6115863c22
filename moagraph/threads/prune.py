"""Let go of what is old: whole threads, or all but the turn that a thread can be replayed in."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.base.id import UUID
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.hooks import forget_vaults, vaults_of
from moagraph.threads.archive import Saver, lock_thread, parent_id, read_checkpoints
from moagraph.threads.history import READER, compile_recipe, config_of
from moagraph.threads.savers.steady import Steady

TICKS = 10_000_000  # a second, as an id counts them
EPOCH = datetime(1582, 10, 15, tzinfo=UTC)

Tuples = Mapping[str, CheckpointTuple]


@dataclass(frozen=True)
class PruneResult:
    """What became of one thread: the checkpoints and bytes that went, or why none did."""

    thread_id: str
    checkpoints: int = 0
    bytes: int = 0
    error: str | None = None


def time_of(checkpoint_id: str) -> datetime:
    """When the checkpoint was made, which its id tells."""
    return EPOCH + timedelta(seconds=UUID(checkpoint_id).time / TICKS)


def delete_thread(threads: Steady, thread_id: str) -> PruneResult:
    """Forget the thread."""
    with lock_thread(threads, thread_id):
        return _delete(threads, thread_id)


def prune(threads: Steady, thread_id: str) -> PruneResult:
    """Keep of the thread its conversation and its last turn, which can be replayed still."""
    with lock_thread(threads, thread_id):
        return _prune_thread(threads, thread_id)


def prune_old_threads(
    threads: Steady, age: timedelta, keep_latest: bool = False
) -> Iterator[PruneResult]:
    """Prune or delete each thread that nobody used for so long; one that runs is left alone."""
    limit = datetime.now(UTC) - age
    old = [name for name, newest in threads.names() if time_of(newest) < limit]
    for thread_id in old:
        try:
            with lock_thread(threads, thread_id):
                if _was_used_since(threads, thread_id, limit):
                    continue
                swept = (_prune_thread if keep_latest else _delete)(threads, thread_id)
        except StorageError:
            raise
        except UsageError as error:
            swept = PruneResult(thread_id, error=str(error))
        yield swept


def delete_checkpoints(threads: Saver, thread_id: str, tuples: Iterable[CheckpointTuple]) -> None:
    """Delete the thread of these checkpoints, and what its placeholders stand for."""
    tokens = vaults_of(tuples)
    threads.delete_thread(thread_id)
    forget_vaults(tokens)


def _was_used_since(threads: Steady, thread_id: str, limit: datetime) -> bool:
    """It may have been used, or deleted, while others were pruned."""
    newest = threads.get_tuple(config_of(thread_id))
    return newest is None or time_of(newest.checkpoint["id"]) >= limit


def _delete(threads: Steady, thread_id: str) -> PruneResult:
    tuples = read_checkpoints(threads, thread_id)
    deleted, size = len(tuples), threads.size(thread_id)
    delete_checkpoints(threads, thread_id, tuples.values())
    return PruneResult(thread_id, deleted, size)


def _prune_thread(threads: Steady, thread_id: str) -> PruneResult:
    tuples = read_checkpoints(threads, thread_id)
    if any(item.config["configurable"]["checkpoint_ns"] for item in tuples.values()):
        raise UsageError(f"thread {thread_id!r} has subgraphs: it can be deleted, not pruned")
    root = _first_of_turn(tuples)
    retained = _checkpoints_of_turn(tuples, root)
    deleted = [id_ for id_ in tuples if id_ not in retained]
    if not deleted:
        return PruneResult(thread_id)
    size = threads.size(thread_id)
    # In this order: killed between the two, the thread has all it had.
    _make_complete(threads, tuples[root])
    threads.drop(thread_id, deleted)
    return PruneResult(thread_id, len(deleted), size - threads.size(thread_id))


def _first_of_turn(tuples: Tuples) -> str:
    """The checkpoint with which the newest turn began."""
    current = max(tuples)
    while not _begins_turn(tuples[current]) and (previous := parent_id(tuples[current])) in tuples:
        current = str(previous)
    return current


def _checkpoints_of_turn(tuples: Tuples, root: str) -> set[str]:
    """The checkpoint and all that came of it, forks too, up to where other turns begin."""
    children: dict[str | None, list[str]] = defaultdict(list)
    for id_, item in tuples.items():
        children[parent_id(item)].append(id_)
    retained, pending = set[str](), [root]
    while pending:
        current = pending.pop()
        retained.add(current)
        pending += [child for child in children[current] if not _begins_turn(tuples[child])]
    return retained


def _begins_turn(item: CheckpointTuple) -> bool:
    return item.metadata.get("source") == "input"


def _make_complete(threads: Steady, item: CheckpointTuple) -> None:
    """Write the values into it that are otherwise gathered from those before it."""
    reader = compile_recipe(Recipe.model_validate(READER), threads)
    own: dict[str, Any] = item.checkpoint["channel_values"]
    gathered = {
        channel: _DeltaSnapshot(value)
        for channel, value in reader.get_state(item.config).values.items()
        if channel in item.checkpoint["channel_versions"] and channel not in own
    }
    checkpoint: Checkpoint = {**item.checkpoint, "channel_values": {**own, **gathered}}
    metadata: Any = {**item.metadata}
    metadata.pop("counters_since_delta_snapshot", None)
    threads.put(_without_parent(item), checkpoint, metadata, checkpoint["channel_versions"])


def _without_parent(item: CheckpointTuple) -> RunnableConfig:
    where = item.config["configurable"]
    return {"configurable": {key: where[key] for key in ("thread_id", "checkpoint_ns")}}
