"""The threads that are kept, each in one row: what was asked last and what came of it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes.errors import MoaError, StorageError
from moagraph.threads.history import Thread, opened
from moagraph.threads.prune import when
from moagraph.threads.result import Status
from moagraph.threads.savers.steady import Steady
from moagraph.threads.snapshot import question_shown, standing, values_of


@dataclass(frozen=True)
class Row:
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


async def overview(threads: Steady, limit: int | None = None) -> list[Row]:
    """The threads, the one used last first."""
    return [
        await _row(threads, thread_id, when(newest).isoformat())
        for thread_id, newest in threads.names(limit)
    ]


async def _row(threads: Steady, thread_id: str, used: str) -> Row:
    try:
        thread = await opened(threads, thread_id)
    except StorageError:
        raise
    except MoaError:  # its recipe is gone, or another app made it
        return Row(thread_id, used)
    values = values_of(thread.state)
    records = call_records(values)
    return Row(
        thread_id,
        used,
        thread.recipe.name,
        question_shown(values),
        _status(threads, thread),
        total_usage(records)["calls"],
        total_cost(records),
    )


def _status(threads: Steady, thread: Thread) -> Status:
    """To look whether a thread runs takes its lock for a moment, so a done one is not touched."""
    left = standing(thread.state)
    return "running" if left != "done" and threads.running(thread.id) else left
