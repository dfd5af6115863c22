"""Open a data set by its path; the keys of its first row tell its format."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.sets import alpaca, flask, mt_bench, prompts
from moagraph.evals.sets.reading import read_numbered_rows, read_text
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Rows = list[tuple[int, Json]]

FORMATS: tuple[tuple[Callable[[Json], bool], Callable[[Path, Rows], DataSet]], ...] = (
    (mt_bench.has_format, mt_bench.load),
    (flask.has_format, flask.load),
    (alpaca.has_format, alpaca.load),
)


def open_set(source: str, limit: int | None = None) -> DataSet:
    """Open a data set, without duplicate rows.

    Args:
        source: A file, or a folder in FastChat's layout.
        limit: Keep this many rows; None keeps all.
    """
    file = Path(source).expanduser()
    if file.is_dir():
        file = file / mt_bench.QUESTIONS
        if not file.is_file():
            raise UsageError(
                f"{source!r} is a folder without {mt_bench.QUESTIONS}: name a file, "
                "or a folder in FastChat's layout"
            )
    if not file.is_file():
        raise UsageError(
            f"there is no data set {source!r}: name a file of JSON lines, alpaca_eval.json, "
            "or MT-Bench's folder"
        )
    data = _load(file)
    if not data.items:
        raise UsageError(f"{source!r} has no rows: give at least one prompt")
    return _without_duplicates(replace(data, source=str(file.resolve()))).first(limit)


def _load(file: Path) -> DataSet:
    if prompts.is_plain_text(read_text(file)):
        return prompts.load_plain_text(file)
    rows = read_numbered_rows(file)
    for has_format, load in FORMATS:
        if rows and has_format(rows[0][1]):
            return load(file, rows)
    return prompts.load(file, rows)


def _without_duplicates(data: DataSet) -> DataSet:
    """Keep one of equal rows; refuse two different rows with one id."""
    items: dict[str, Item] = {}
    for item in data.items:
        if items.setdefault(str(item.id), item) != item:
            raise UsageError(
                f"{data.source!r}: two different rows have the id {item.id!r}: "
                "give each row an id of its own"
            )
    dropped = len(data.items) - len(items)
    note = f"{dropped} of {len(data.items)} rows are duplicates: each row is asked once"
    notes: Iterable[str] = (note,) if dropped else ()
    return replace(data, items=tuple(items.values()), notes=(*data.notes, *notes))
