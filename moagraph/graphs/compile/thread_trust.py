"""Whether a thread may run on this machine: one that was imported only once its owner says so.

The record lies beside the thread's own checkpoints, in a namespace that no export writes: an
imported document can neither bring one along nor replace it, and every fork of the thread has it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, empty_checkpoint
from langgraph.graph.state import CompiledStateGraph

from moagraph.nodes.errors import NotTrusted
from moagraph.nodes.resources import Resource

NAMESPACE = "moagraph:trust"
CHANNEL = "trust"
# In the metadata of each checkpoint that a graph of this version has written.
ORIGIN, LOCAL = "thread_origin", "local"

Saver = BaseCheckpointSaver[Any]


@dataclass(frozen=True)
class ThreadTrust:
    """Where a thread is from, whether it may run, and what its recipes name.

    `doubt` is why one without a record is taken for imported.
    """

    imported: bool = False
    trusted: bool = True
    resources: tuple[Resource, ...] = ()
    doubt: str = ""

    def check(self, thread_id: str) -> None:
        """Refuse to run a thread from elsewhere that nobody on this machine has approved."""
        if not self.trusted:
            origin = f"may have been imported ({self.doubt})" if self.doubt else "was imported"
            raise NotTrusted(
                f"thread {thread_id!r} {origin} and is not trusted: `moa show {quote(thread_id)}` "
                "lists what its recipe reaches; `--trust` lets it run"
            )


def read_trust(saver: Saver, thread_id: str) -> ThreadTrust | None:
    """The thread's record; None where its origin was never recorded."""
    item = saver.get_tuple(_where(thread_id))
    return _trust(item.checkpoint) if item else None


async def aread_trust(saver: Saver, thread_id: str) -> ThreadTrust | None:
    """See `read_trust`."""
    item = await saver.aget_tuple(_where(thread_id))
    return _trust(item.checkpoint) if item else None


def write_trust(saver: Saver, thread_id: str, trust: ThreadTrust) -> None:
    """Record it; a later record replaces it."""
    checkpoint = empty_checkpoint()
    # A value of its own version each time: Postgres keeps the first one of a version.
    versions: Any = {CHANNEL: checkpoint["id"]}
    checkpoint["channel_values"] = {CHANNEL: asdict(trust)}
    checkpoint["channel_versions"] = versions
    saver.put(_where(thread_id), checkpoint, {"source": "update", "step": -1}, versions)


def is_record(config: RunnableConfig) -> bool:
    """Whether a checkpoint is such a record, and none of the thread's own."""
    return bool(config["configurable"].get("checkpoint_ns") == NAMESPACE)


def _where(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": NAMESPACE}}


def _trust(checkpoint: Checkpoint) -> ThreadTrust:
    record = checkpoint["channel_values"][CHANNEL]
    resources = tuple(Resource(**resource) for resource in record["resources"])
    return ThreadTrust(record["imported"], record["trusted"], resources, record["doubt"])


class TrustingGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph that runs no imported thread before it is trusted, however it is called."""

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, Any, Any]) -> Self:
        """The same graph, which asks first."""
        return cls(**{key: value for key, value in vars(graph).items() if key != "__orig_class__"})

    def stream(self, input: Any, config: RunnableConfig | None = None, **how: Any) -> Iterator[Any]:
        """Stream as LangGraph does."""
        self.check_trust(config)
        yield from super().stream(input, config, **how)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **how: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does."""
        await self.acheck_trust(config)
        parts: Any = super().astream(input, config, **how)
        async with aclosing(parts):
            async for part in parts:
                yield part

    def check_trust(self, config: RunnableConfig | None) -> None:
        """Refuse a thread that is recorded as imported and not as trusted."""
        saver, thread_id = self._thread(config)
        if saver and (trust := read_trust(saver, thread_id)):
            trust.check(thread_id)

    async def acheck_trust(self, config: RunnableConfig | None) -> None:
        """See `check_trust`."""
        saver, thread_id = self._thread(config)
        if saver and (trust := await aread_trust(saver, thread_id)):
            trust.check(thread_id)

    def _thread(self, config: RunnableConfig | None) -> tuple[Saver | None, str]:
        """The saver and the thread's name; a graph that keeps nothing has no saver."""
        merged = merge_configs(self.config, ensure_config(config))
        thread_id = str(merged.get("configurable", {}).get("thread_id") or "")
        has_thread = thread_id and isinstance(self.checkpointer, BaseCheckpointSaver)
        return (self.checkpointer if has_thread else None), thread_id  # type: ignore[return-value]
