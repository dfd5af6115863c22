"""Open a data set by its path: what its rows say tells which format it is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.sets import alpaca, flask, mt_bench, prompts
from moagraph.evals.sets.reading import rows_of, text_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Rows = list[tuple[int, Json]]

FORMATS: tuple[tuple[Callable[[Json], bool], Callable[[Path, Rows], DataSet]], ...] = (
    (mt_bench.looks_like, mt_bench.load),
    (flask.looks_like, flask.load),
    (alpaca.looks_like, alpaca.load),
)


def open_set(source: str, limit: int | None = None) -> DataSet:
    """The data set in that file or folder, without what stands in it twice."""
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
    found = _loaded(file)
    if not found.items:
        raise UsageError(f"{source!r} holds no row: nothing would be asked")
    return _once(replace(found, source=str(file.resolve()))).first(limit)


def _loaded(file: Path) -> DataSet:
    if prompts.is_plain(text_of(file)):
        return prompts.plain(file)
    rows = rows_of(file)
    for looks, load in FORMATS:
        if rows and looks(rows[0][1]):
            return load(file, rows)
    return prompts.load(file, rows)


def _once(found: DataSet) -> DataSet:
    """A row that stands there twice is asked once; one id for two rows is refused."""
    known: dict[str, Item] = {}
    for item in found.items:
        other = known.setdefault(str(item.id), item)
        if other != item:
            raise UsageError(
                f"{found.source!r}: id {item.id!r} stands for two different rows: "
                "give each row an id of its own"
            )
    left_out = len(found.items) - len(known)
    notes = (f"{left_out} of {len(found.items)} rows stand there twice: each is asked once",)
    more: Iterable[str] = notes if left_out else ()
    return replace(found, items=tuple(known.values()), notes=(*found.notes, *more))
