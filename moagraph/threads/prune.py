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
from moagraph.threads.archive import Saver, found, held, parent
from moagraph.threads.history import READER, compiled, config_of
from moagraph.threads.savers.steady import Steady

TICKS = 10_000_000  # a second, as an id counts them
EPOCH = datetime(1582, 10, 15, tzinfo=UTC)

Tuples = Mapping[str, CheckpointTuple]


@dataclass(frozen=True)
class Pruned:
    """What became of one thread: the checkpoints and bytes that went, or why none did."""

    thread_id: str
    checkpoints: int = 0
    bytes: int = 0
    error: str | None = None


def when(checkpoint_id: str) -> datetime:
    """When the checkpoint was made, which its id tells."""
    return EPOCH + timedelta(seconds=UUID(checkpoint_id).time / TICKS)


def delete(threads: Steady, thread_id: str) -> Pruned:
    """Forget the thread."""
    with held(threads, thread_id):
        return _deleted(threads, thread_id)


def prune(threads: Steady, thread_id: str) -> Pruned:
    """Keep of the thread its conversation and its last turn, which can be replayed still."""
    with held(threads, thread_id):
        return _pruned(threads, thread_id)


def sweep(threads: Steady, age: timedelta, keep_latest: bool = False) -> Iterator[Pruned]:
    """Prune or delete each thread that nobody used for so long; one that runs is left alone."""
    limit = datetime.now(UTC) - age
    old = [name for name, newest in threads.names() if when(newest) < limit]
    for thread_id in old:
        try:
            with held(threads, thread_id):
                if _used_since(threads, thread_id, limit):
                    continue
                swept = (_pruned if keep_latest else _deleted)(threads, thread_id)
        except StorageError:
            raise
        except UsageError as error:
            swept = Pruned(thread_id, error=str(error))
        yield swept


def erase(threads: Saver, thread_id: str, tuples: Iterable[CheckpointTuple]) -> None:
    """Delete the thread of these checkpoints, and what its placeholders stand for."""
    tokens = vaults_of(tuples)
    threads.delete_thread(thread_id)
    forget_vaults(tokens)


def _used_since(threads: Steady, thread_id: str, limit: datetime) -> bool:
    """It may have been used, or deleted, while others were pruned."""
    newest = threads.get_tuple(config_of(thread_id))
    return newest is None or when(newest.checkpoint["id"]) >= limit


def _deleted(threads: Steady, thread_id: str) -> Pruned:
    tuples = found(threads, thread_id)
    gone, size = len(tuples), threads.size(thread_id)
    erase(threads, thread_id, tuples.values())
    return Pruned(thread_id, gone, size)


def _pruned(threads: Steady, thread_id: str) -> Pruned:
    tuples = found(threads, thread_id)
    if any(one.config["configurable"]["checkpoint_ns"] for one in tuples.values()):
        raise UsageError(f"thread {thread_id!r} has subgraphs: it can be deleted, not pruned")
    root = _root(tuples)
    kept = _turn(tuples, root)
    gone = [id_ for id_ in tuples if id_ not in kept]
    if not gone:
        return Pruned(thread_id)
    size = threads.size(thread_id)
    # In this order: killed between the two, the thread has all it had.
    _stand_alone(threads, tuples[root])
    threads.drop(thread_id, gone)
    return Pruned(thread_id, len(gone), size - threads.size(thread_id))


def _root(tuples: Tuples) -> str:
    """The checkpoint with which the newest turn began."""
    at = max(tuples)
    while not _begins(tuples[at]) and (above := parent(tuples[at])) in tuples:
        at = str(above)
    return at


def _turn(tuples: Tuples, root: str) -> set[str]:
    """The checkpoint and all that came of it, forks too, up to where other turns begin."""
    children: dict[str | None, list[str]] = defaultdict(list)
    for id_, one in tuples.items():
        children[parent(one)].append(id_)
    kept, todo = set[str](), [root]
    while todo:
        at = todo.pop()
        kept.add(at)
        todo += [child for child in children[at] if not _begins(tuples[child])]
    return kept


def _begins(one: CheckpointTuple) -> bool:
    return one.metadata.get("source") == "input"


def _stand_alone(threads: Steady, one: CheckpointTuple) -> None:
    """Write the values into it that are otherwise gathered from those before it."""
    reader = compiled(Recipe.model_validate(READER), threads)
    own: dict[str, Any] = one.checkpoint["channel_values"]
    gathered = {
        channel: _DeltaSnapshot(value)
        for channel, value in reader.get_state(one.config).values.items()
        if channel in one.checkpoint["channel_versions"] and channel not in own
    }
    checkpoint: Checkpoint = {**one.checkpoint, "channel_values": {**own, **gathered}}
    metadata: Any = {**one.metadata}
    metadata.pop("counters_since_delta_snapshot", None)
    threads.put(_alone(one), checkpoint, metadata, checkpoint["channel_versions"])


def _alone(one: CheckpointTuple) -> RunnableConfig:
    where = one.config["configurable"]
    return {"configurable": {key: where[key] for key in ("thread_id", "checkpoint_ns")}}
