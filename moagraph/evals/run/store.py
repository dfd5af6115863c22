"""Results in append-only files: whatever ends a run, what was paid for stands on the disk."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

from moagraph.evals.sets.reading import strict
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.state import Json, calls_of_record

BEGINS = b'{"key": "'  # what a row begins with, by which one that was cut is known


class Ledger:
    """Rows by key in one file of JSON lines; of a row that was tried again the better one counts.

    A last line that was cut is set aside and asked again; a line that nobody can read is left out.
    """

    def __init__(self, file: Path) -> None:
        """Read what is there."""
        self.file = file
        self.rows: dict[str, Json] = {}
        self.spent = 0.0
        self.priced = True
        self.notes: list[str] = []
        self._one_at_a_time = Lock()
        try:
            if file.exists():
                self._open()
            self._out = file.open("ab", buffering=0)
        except OSError as error:
            raise self._unusable(error) from error

    def __contains__(self, key: str) -> bool:
        """Whether the row stands and has not failed."""
        return key in self.rows and self.rows[key].get("status") != "failed"

    def add(self, rows: Sequence[Json]) -> float:
        """Write the rows, which are on the disk when this returns; the dollars that are new."""
        data = b"".join(
            # Half a character stays one: it is written as JSON escapes it.
            json.dumps(row, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")
            + b"\n"
            for row in rows
        )
        with self._one_at_a_time:
            try:
                self._write(data)
                os.fsync(self._out.fileno())
            except OSError as error:
                raise self._unusable(error) from error
            return sum([self._take(row) for row in rows])

    def renew(self, keys: Iterable[str], place: Callable[[Json], object]) -> None:
        """Write again what is wanted and stands, where another row has taken its place since."""
        newest = {place(row): key for key, row in self.rows.items()}
        wanted = (self.rows[key] for key in keys if key in self)
        if old := [row for row in wanted if newest[place(row)] != row["key"]]:
            self.add([{**row, "again": True} for row in old])

    def close(self) -> None:
        """Let go of the file."""
        with self._one_at_a_time:
            self._out.close()

    def _write(self, data: bytes) -> None:
        """All of it or nothing: half a line would spoil the next."""
        begins = self._out.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._out.write(data) :]
        except OSError:
            self._out.truncate(begins)
            raise

    def _take(self, row: Json) -> float:
        new = 0.0 if row.get("again") else _new(row, self.rows.get(row["key"]))
        self.spent += new
        self.priced &= not is_unpriced(row)
        if not (row["key"] in self and row.get("status") == "failed"):
            self.rows.pop(row["key"], None)  # the newest stands last
            self.rows[row["key"]] = row
        return new

    def _open(self) -> None:
        last = self._read()
        self._check(last)
        if last:
            self._mend(last)

    def _read(self) -> bytes:
        """Take every row; the last line comes back where it has no end."""
        line = b"\n"
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                row = _row(line)
                if row is not None:
                    self._take(row)
                elif line.strip() and line.endswith(b"\n"):
                    where = f"{self.file.name}:{number}"
                    self.notes.append(f"{where}: not a result, left out; what it was is asked anew")
        return b"" if line.endswith(b"\n") else line

    def _check(self, last: bytes) -> None:
        """Refuse a file of something else, before a byte of it is touched."""
        begun = bool(last) and last[: len(BEGINS)] == BEGINS[: len(last)]
        if not self.rows and not begun and (self.notes or last.strip()):
            raise UsageError(
                f"{str(self.file)!r} holds no results: write elsewhere, or move it away"
            )

    def _mend(self, last: bytes) -> None:
        """A line without its end: kept where it is whole, else moved out of the way."""
        with self.file.open("rb+") as opened:
            begins = opened.seek(-len(last), os.SEEK_END)
            if _row(last) is not None:
                opened.seek(0, os.SEEK_END)
                opened.write(b"\n")
                return
            cut = self.file.with_name(f"{self.file.name}.cut")
            with cut.open("ab") as aside:
                aside.write(last + b"\n")
            opened.truncate(begins)
        self.notes.append(
            f"{self.file.name} ended in the middle of a line: moved to {cut.name}, and asked anew"
        )

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(
            f"cannot use {str(self.file)!r}: {error.strerror}; once that is mended, the same "
            "command goes on"
        )


def is_unpriced(row: Json) -> bool:
    """Whether somebody was asked whose price is not known."""
    called = row.get("kind") != "recorded" and bool(row.get("usage", {}).get("calls"))
    return called and row.get("cost_usd") is None


def _new(row: Json, before: Json | None) -> float:
    """What the row has cost, without the calls of a failed try that stood."""
    whole = float(row.get("cost_usd") or 0.0)
    if before is None or before.get("status") != "failed" or row.get("kind") != "recipe":
        return whole
    stood = {call for call, _ in _bill(before)}
    return max(0.0, whole - sum(price for call, price in _bill(row) if call in stood))


def _bill(row: Json) -> list[tuple[str, float]]:
    """Each call of a recipe's row, by all that is known of it, and what it has cost."""
    seats = [one for layer in row.get("layers", ()) for one in layer["proposals"]]
    steps = [
        call | {"node": step["node"]}
        for step in row.get("steps", ())
        for call in calls_of_record(step)
    ]
    return [(json.dumps(one, sort_keys=True), one["cost_usd"] or 0.0) for one in (*seats, *steps)]


def _row(line: bytes) -> Json | None:
    try:
        row = strict(line.decode())
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None
