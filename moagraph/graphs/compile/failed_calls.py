"""Calls of steps that failed: the engine drops what they wrote, and a budget must count them.

They are kept beside the engine's own writes to the newest checkpoint, under a task that the engine
does not know, until the next turn adds them to what the thread has spent.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.constants import CONF
from langgraph.types import Command

from moagraph.graphs.compile.thread_trust import TrustingGraph
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.policies.spending import FAILED, Spent, sum_records
from moagraph.nodes.state import Json, calls_of_record

BEGIN = "begin"
CHANNEL = "failed_calls"
KEY = "__moa_failed_calls"  # a name that begins so is not stored with a checkpoint


@dataclass
class FailedCalls:
    """What failed steps took, of which no record of the state tells; an entry for each failure.

    Attributes:
        before: Those that are kept at the checkpoint from which the run starts.
        new: Those of this run.
        is_same_turn: Whether this run continues the turn in which those before failed.
        counted: Whether `begin` has added those before to what the thread has spent.
    """

    before: list[Json]
    is_same_turn: bool
    new: list[Json] = field(default_factory=list)
    counted: bool = False

    def add(self, error: StepFailed) -> None:
        """Count what the failed step took."""
        if records := calls_of_record(dict(error.record or {})):
            self.new.append(asdict(sum_records(records)))

    def to_keep(
        self, start: CheckpointTuple | None, end: CheckpointTuple
    ) -> list[tuple[str, Json]]:
        """The writes that the last checkpoint of the run must hold and does not hold yet."""
        has_moved = start is None or start.checkpoint["id"] != end.checkpoint["id"]
        before = self.before if has_moved and not self.counted else []
        return [(CHANNEL, spent) for spent in (*before, *self.new)]


def count_for(node: str, config: RunnableConfig | None) -> FailedCalls | None:
    """Let the node see earlier failed calls: `begin` those of the last turn, others their own."""
    failed: FailedCalls | None = ((config or {}).get(CONF) or {}).get(KEY)
    if failed and (failed.is_same_turn or node == BEGIN):
        FAILED.set(sum((Spent(**spent) for spent in failed.before), Spent()))
    return failed


class CountingGraph(TrustingGraph):
    """A compiled graph whose thread remembers the calls of failed steps, if it has a budget."""

    def stream(self, input: Any, config: RunnableConfig | None = None, **how: Any) -> Iterator[Any]:
        """Stream as LangGraph does, and store what a failed step has used."""
        saver, thread = self._counted_thread(config)
        if saver is None:
            yield from super().stream(input, config, **how)
            return
        start = saver.get_tuple(thread)
        failed = _failed(start, input)
        try:
            yield from super().stream(input, _with(config, failed), **how)
        except StepFailed as error:
            failed.add(error)
            raise
        finally:
            if (failed.before or failed.new) and (end := saver.get_tuple(_newest(thread))):
                if writes := failed.to_keep(start, end):
                    saver.put_writes(end.config, writes, _task(end))

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **how: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does, and store what a failed step has used."""
        saver, thread = self._counted_thread(config)
        start = await saver.aget_tuple(thread) if saver else None
        failed = _failed(start, input)
        parts: Any = super().astream(input, _with(config, failed) if saver else config, **how)
        try:
            async with aclosing(parts):
                async for part in parts:
                    yield part
        except StepFailed as error:
            failed.add(error)
            raise
        finally:
            if saver and (failed.before or failed.new):
                end = await saver.aget_tuple(_newest(thread))
                if end and (writes := failed.to_keep(start, end)):
                    await saver.aput_writes(end.config, writes, _task(end))

    def _counted_thread(
        self, config: RunnableConfig | None
    ) -> tuple[BaseCheckpointSaver[Any] | None, RunnableConfig]:
        """The saver and the thread of the run; no saver where nothing is to be counted."""
        thread = merge_configs(self.config, ensure_config(config))
        saver = self.checkpointer
        has_budget = self.builder.recipe.budget is not None  # type: ignore[attr-defined]
        if not has_budget or not isinstance(saver, BaseCheckpointSaver):
            return None, thread
        return (saver if "thread_id" in thread.get(CONF, {}) else None), thread


def _failed(start: CheckpointTuple | None, input: Any) -> FailedCalls:
    is_same_turn = input is None or isinstance(input, Command)
    return FailedCalls(_failed_before(start) if start else [], is_same_turn)


def _failed_before(checkpoint: CheckpointTuple) -> list[Json]:
    writes = checkpoint.pending_writes or ()
    return [value for _, channel, value in writes if channel == CHANNEL]


def _with(config: RunnableConfig | None, failed: FailedCalls) -> RunnableConfig:
    configured = {**((config or {}).get(CONF) or {}), KEY: failed}
    return {**(config or {}), CONF: configured}  # type: ignore[typeddict-item,unused-ignore]


def _newest(thread: RunnableConfig) -> RunnableConfig:
    """The thread at its newest checkpoint, whichever the run started from."""
    named = {
        key: thread[CONF][key] for key in ("thread_id", "checkpoint_ns") if key in thread[CONF]
    }
    return {CONF: named}  # type: ignore[typeddict-item]


def _task(end: CheckpointTuple) -> str:
    """A new task each time: what one task writes replaces what it wrote before."""
    return str(uuid5(NAMESPACE_URL, f"{end.checkpoint['id']}|{len(_failed_before(end))}"))
