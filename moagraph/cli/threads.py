"""`moa threads`: list them, prune them, and carry them from one machine to another."""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from moagraph.cli.render.output import out, say
from moagraph.cli.trust import trust_lines
from moagraph.graphs.compile.thread_trust import read_trust
from moagraph.nodes.errors import UsageError
from moagraph.nodes.storage.encryption import encryption_key
from moagraph.nodes.texts.printable import clean
from moagraph.threads.archive import export_thread, import_thread, unknown
from moagraph.threads.history import config_of
from moagraph.threads.listing import Row, overview
from moagraph.threads.open import open_threads
from moagraph.threads.prune import Pruned, delete, sweep

UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def listing(limit: int, as_json: bool) -> None:
    """The threads, the one used last first."""
    with open_threads() as threads:
        rows = asyncio.run(overview(threads, limit))
    if as_json:
        out(json.dumps([row.as_json() for row in rows], ensure_ascii=False))
        return
    if not rows:
        say("moa: there are no threads yet: `moa ask` begins one")
        return
    cells = [
        ("when", "thread", "recipe", "status", "calls", "cost", "question"),
        *map(_cells, rows),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(6)]
    for row in cells:
        aligned = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        out("  ".join([*aligned, row[-1]]))


def prune(older_than: str, keep_latest: bool) -> None:
    """Let go of the threads that nobody used for so long, or of all but their last turns."""
    age, pruned = _age(older_than), list[Pruned]()
    with open_threads() as threads:
        for one in sweep(threads, age, keep_latest):
            _tell(one, "pruned" if keep_latest else "deleted")
            pruned.append(one)
        gone = [one for one in pruned if one.checkpoints]
        if gone:
            threads.compact()
    verb = "pruned to their last turn" if keep_latest else "deleted"
    threads_said = "1 thread" if len(gone) == 1 else f"{len(gone)} threads"
    out(f"{threads_said} {verb}, {_megabytes(sum(one.bytes for one in gone))} freed")


def remove(names: Sequence[str]) -> None:
    """Forget these threads; where one is unknown, all stay."""
    with open_threads() as threads:
        for name in names:
            if not threads.get_tuple(config_of(name)):
                raise unknown(name)
        for name in dict.fromkeys(names):
            _tell(delete(threads, name), "deleted")


def export(thread: str, file: str | None) -> None:
    """Write a thread to a file for this user's eyes only, or to standard output."""
    with open_threads() as threads:
        told = json.dumps(export_thread(threads, thread))
    if encryption_key():
        say("moa: what is exported is not encrypted")
    if file is None or file == "-":
        out(told)
    else:
        _write(Path(file).expanduser(), told + "\n")


def take_in(file: str, name: str | None, trust: bool = False) -> None:
    """Read an exported thread; its name goes to standard output, what it reaches to error."""
    said = _document(file)
    with open_threads() as threads:
        thread_id = import_thread(threads, said, name, trust)
        recorded = read_trust(threads, thread_id)
    for line in trust_lines(thread_id, recorded) if recorded else ():
        say(f"moa: {line}")
    if not trust:
        say("moa: `--trust` on `resume`, `retry`, `replay`, `ask` or `chat` lets it run")
    out(clean(thread_id))


def _cells(row: Row) -> tuple[str, ...]:
    used = datetime.fromisoformat(row.when).astimezone()
    price = "?" if row.cost_usd is None else f"${row.cost_usd:.4f}"
    name, recipe, question = map(_line, (row.thread_id, row.recipe or "?", row.question))
    shown = question if len(question) <= 60 else question[:59] + "…"
    return f"{used:%Y-%m-%d %H:%M}", name, recipe, row.status, str(row.calls), price, shown


def _line(text: str) -> str:
    return clean(" ".join(text.split()))


def _tell(one: Pruned, verb: str) -> None:
    if one.error:
        say(f"moa: {one.error}")
    elif one.checkpoints:
        told = f"{one.checkpoints} checkpoints, {_megabytes(one.bytes)}"
        say(f"moa: {verb} {_line(one.thread_id)}: {told}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _age(said: str) -> timedelta:
    read = re.fullmatch(r"(\d{1,5})([dhm])", said.strip())
    if not read:
        raise UsageError(f"--older-than {said!r}: say it as 30d, 12h or 45m")
    return timedelta(**{UNITS[read[2]]: int(read[1])})


def _document(file: str) -> Any:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file!r}: {error.strerror}") from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        where = "standard input" if file == "-" else repr(file)
        raise UsageError(f"{where} is not JSON, or only a part of it: {error}") from error


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    part = file.with_name(file.name + ".part")
    try:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UsageError(f"cannot write {str(file)!r}: {error.strerror}") from error
