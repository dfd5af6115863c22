"""Threads in the terminal: the list of `moa threads`, and what pruning did to each."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from moagraph.cli.render.output import say
from moagraph.nodes.texts.printable import one_line
from moagraph.threads.listing import ThreadRow

if TYPE_CHECKING:
    from moagraph.threads.prune import PruneResult

HEAD = ("when", "thread", "recipe", "status", "calls", "cost", "question")
QUESTION_WIDTH = 60


def thread_table(rows: Sequence[ThreadRow]) -> Iterator[str]:
    """The list as lines of a table; the last column is not padded."""
    table = [HEAD, *map(_cells, rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEAD) - 1)]
    for cells in table:
        aligned = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)]
        yield "  ".join([*aligned, cells[-1]])


def report_pruned(thread: "PruneResult", verb: str) -> None:
    """Say on standard error what was deleted of a thread, or why nothing was."""
    if thread.error:
        say(f"moa: {thread.error}")
    elif thread.checkpoints:
        amount = f"{thread.checkpoints} checkpoints, {size_text(thread.bytes)}"
        say(f"moa: {verb} {one_line(thread.thread_id)}: {amount}")


def size_text(size: int) -> str:
    """A number of bytes in MB or kB."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _cells(row: ThreadRow) -> tuple[str, ...]:
    used_at = datetime.fromisoformat(row.when).astimezone()
    price = "?" if row.cost_usd is None else f"${row.cost_usd:.4f}"
    name, recipe, question = map(one_line, (row.thread_id, row.recipe or "?", row.question))
    if len(question) > QUESTION_WIDTH:
        question = question[: QUESTION_WIDTH - 1] + "…"
    return f"{used_at:%Y-%m-%d %H:%M}", name, recipe, row.status, str(row.calls), price, question
