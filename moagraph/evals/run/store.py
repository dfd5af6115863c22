"""Store results in an append-only file: what was paid for is on the disk, however a run ends."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

from moagraph.evals.sets.reading import parse_json
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.state import Json, calls_of_record

ROW_START = b'{"key": "'  # every row starts with it, so an incomplete one can be recognised


class ResultStore:
    """Rows by key in a file of JSON lines; a success counts more than a failed try of the key.

    An incomplete last line is moved to another file; unreadable lines are left out, with a note.
    """

    def __init__(self, file: Path) -> None:
        """Read the rows of the file, and open it to append.

        Args:
            file: The file; a missing one is created.
        """
        self.file = file
        self.rows: dict[str, Json] = {}
        self.spent = 0.0
        self.priced = True
        self.notes: list[str] = []
        self._lock = Lock()
        try:
            if file.exists():
                self._load()
            self._out = file.open("ab", buffering=0)
        except OSError as error:
            raise self._storage_error(error) from error

    def __contains__(self, key: str) -> bool:
        """Return whether there is a row with the key that has not failed."""
        return key in self.rows and self.rows[key].get("status") != "failed"

    def add(self, rows: Sequence[Json]) -> float:
        """Append rows, which are on the disk when this returns; return their cost in dollars.

        Args:
            rows: The rows, each with its `key`.
        """
        data = b"".join(
            # A lone surrogate cannot be encoded; JSON's escape preserves it.
            json.dumps(row, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")
            + b"\n"
            for row in rows
        )
        with self._lock:
            try:
                self._append(data)
                os.fsync(self._out.fileno())
            except OSError as error:
                raise self._storage_error(error) from error
            return sum([self._apply(row) for row in rows])

    def renew(self, keys: Iterable[str], slot: Callable[[Json], object]) -> None:
        """Append again the rows that newer rows have superseded, so that they count again.

        Args:
            keys: The keys of the rows that this run needs; missing ones are ignored.
            slot: Returns what a row is about; the newest row of a slot counts.
        """
        newest = {slot(row): key for key, row in self.rows.items()}
        needed = (self.rows[key] for key in keys if key in self)
        if superseded := [row for row in needed if newest[slot(row)] != row["key"]]:
            self.add([{**row, "again": True} for row in superseded])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._out.close()

    def _append(self, data: bytes) -> None:
        """Write all of the data or nothing, because half a line would spoil the next."""
        start = self._out.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._out.write(data) :]
        except OSError:
            self._out.truncate(start)
            raise

    def _apply(self, row: Json) -> float:
        cost = 0.0 if row.get("again") else _new_cost(row, self.rows.get(row["key"]))
        self.spent += cost
        self.priced &= not is_unpriced(row)
        if not (row["key"] in self and row.get("status") == "failed"):
            self.rows.pop(row["key"], None)  # so that the newest row comes last
            self.rows[row["key"]] = row
        return cost

    def _load(self) -> None:
        last_line = self._load_rows()
        self._refuse_other_file(last_line)
        if last_line:
            self._repair(last_line)

    def _load_rows(self) -> bytes:
        """Apply every row; return the last line if it has no line end."""
        line = b"\n"
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                row = _parse_row(line)
                if row is not None:
                    self._apply(row)
                elif line.strip() and line.endswith(b"\n"):
                    location = f"{self.file.name}:{number}"
                    self.notes.append(f"{location}: not a result: left out, and asked again")
        return b"" if line.endswith(b"\n") else line

    def _refuse_other_file(self, last_line: bytes) -> None:
        """Refuse a file with other content, before it is changed."""
        is_row_start = (
            bool(last_line) and last_line[: len(ROW_START)] == ROW_START[: len(last_line)]
        )
        if not self.rows and not is_row_start and (self.notes or last_line.strip()):
            raise UsageError(
                f"{str(self.file)!r} holds no results: write elsewhere, or move it away"
            )

    def _repair(self, last_line: bytes) -> None:
        """Complete the line end of a complete row; move an incomplete row to another file."""
        with self.file.open("rb+") as file:
            start = file.seek(-len(last_line), os.SEEK_END)
            if _parse_row(last_line) is not None:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
                return
            cut_file = self.file.with_name(f"{self.file.name}.cut")
            with cut_file.open("ab") as cut:
                cut.write(last_line + b"\n")
            file.truncate(start)
        self.notes.append(
            f"{self.file.name} ended in the middle of a line: moved to {cut_file.name}, "
            "and asked again"
        )

    def _storage_error(self, error: OSError) -> StorageError:
        return StorageError(
            f"cannot use {str(self.file)!r}: {error.strerror}; fix that, and the same "
            "command continues"
        )


def is_unpriced(row: Json) -> bool:
    """Return whether a model was called whose price is unknown."""
    has_calls = row.get("kind") != "recorded" and bool(row.get("usage", {}).get("calls"))
    return has_calls and row.get("cost_usd") is None


def _new_cost(row: Json, previous: Json | None) -> float:
    """Return the row's cost without the calls that it took over from a failed try."""
    cost = float(row.get("cost_usd") or 0.0)
    if previous is None or previous.get("status") != "failed" or row.get("kind") != "recipe":
        return cost
    previous_calls = {call for call, _ in _call_costs(previous)}
    return max(0.0, cost - sum(price for call, price in _call_costs(row) if call in previous_calls))


def _call_costs(row: Json) -> list[tuple[str, float]]:
    """Return each call of a recipe's row, as JSON, and its cost."""
    seats = [seat for layer in row.get("layers", ()) for seat in layer["proposals"]]
    steps = [
        call | {"node": step["node"]}
        for step in row.get("steps", ())
        for call in calls_of_record(step)
    ]
    return [
        (json.dumps(call, sort_keys=True), call["cost_usd"] or 0.0) for call in (*seats, *steps)
    ]


def _parse_row(line: bytes) -> Json | None:
    try:
        row = parse_json(line.decode())
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None
