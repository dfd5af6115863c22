"""The threads that are kept, each in one row: what was asked last and what came of it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes.errors import MoaError, StorageError
from moagraph.threads.history import Thread, open_thread
from moagraph.threads.prune import time_of
from moagraph.threads.result import Status
from moagraph.threads.savers.steady import Steady
from moagraph.threads.snapshot import original_question, status_of, values_of


@dataclass(frozen=True)
class ThreadRow:
    """A thread as its last turn left it; calls and cost are that turn's."""

    thread_id: str
    when: str
    recipe: str | None = None
    question: str = ""
    status: Status | Literal["unknown"] = "unknown"
    calls: int = 0
    cost_usd: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


async def list_threads(threads: Steady, limit: int | None = None) -> list[ThreadRow]:
    """The threads, the one used last first."""
    return [
        await _read_row(threads, thread_id, time_of(newest).isoformat())
        for thread_id, newest in threads.names(limit)
    ]


async def _read_row(threads: Steady, thread_id: str, used: str) -> ThreadRow:
    try:
        thread = await open_thread(threads, thread_id)
    except StorageError:
        raise
    except MoaError:  # its recipe is gone, or another app made it
        return ThreadRow(thread_id, used)
    values = values_of(thread.state)
    records = call_records(values)
    return ThreadRow(
        thread_id,
        used,
        thread.recipe.name,
        original_question(values),
        _status(threads, thread),
        total_usage(records)["calls"],
        total_cost(records),
    )


def _status(threads: Steady, thread: Thread) -> Status:
    """To look whether a thread runs takes its lock for a moment, so a done one is not touched."""
    status = status_of(thread.state)
    return "running" if status != "done" and threads.running(thread.id) else status
