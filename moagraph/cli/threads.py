"""`moa threads`: list threads, prune and delete them, and carry them between machines."""

import json
import re
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from moagraph.cli.options import ThreadArgument
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import UsageError
from moagraph.nodes.texts.printable import clean

UNITS = {"d": "days", "h": "hours", "m": "minutes"}

commands = typer.Typer(
    help="List the threads, or prune, delete, export or import them.", invoke_without_command=True
)


@commands.callback()
def threads(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON array, nothing else.")
    ] = False,
) -> None:
    """List the threads, newest first: what was asked last, and what came of it."""
    if context.invoked_subcommand is None:
        _list(limit, as_json)


@commands.command("prune")
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Not used for 30d, 12h or 45m.")
    ],
    keep_latest: Annotated[
        bool, typer.Option("--keep-latest", help="Keep each one's last turn and conversation.")
    ] = False,
) -> None:
    """Delete threads that were not used for long, or all but their last turns."""
    from moagraph.cli.render.threads import report_pruned, size_text
    from moagraph.threads.open import open_threads
    from moagraph.threads.prune import prune_old_threads

    age, pruned = _parse_age(older_than), []
    with open_threads() as threads:
        for thread in prune_old_threads(threads, age, keep_latest):
            report_pruned(thread, "pruned" if keep_latest else "deleted")
            if thread.checkpoints:
                pruned.append(thread)
        if pruned:
            threads.compact()
    verb = "pruned to their last turn" if keep_latest else "deleted"
    count = "1 thread" if len(pruned) == 1 else f"{len(pruned)} threads"
    out(f"{count} {verb}, {size_text(sum(thread.bytes for thread in pruned))} freed")


@commands.command("delete")
def delete(
    names: Annotated[list[str], typer.Argument(metavar="THREAD...", help="The threads' names.")],
) -> None:
    """Forget these threads."""
    from moagraph.cli.render.threads import report_pruned
    from moagraph.threads.archive import unknown_thread
    from moagraph.threads.history import config_of
    from moagraph.threads.open import open_threads
    from moagraph.threads.prune import delete_thread

    with open_threads() as threads:
        for name in names:  # if one is unknown, none is deleted
            if not threads.get_tuple(config_of(name)):
                raise unknown_thread(name)
        for name in dict.fromkeys(names):
            report_pruned(delete_thread(threads, name), "deleted")


@commands.command("export")
def export(
    thread: ThreadArgument,
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: print it.")
    ] = None,
) -> None:
    """Write a thread as one JSON document."""
    from moagraph.nodes.storage.encryption import encryption_key
    from moagraph.threads.archive import export_thread
    from moagraph.threads.open import open_threads

    with open_threads() as threads:
        document = json.dumps(export_thread(threads, thread))
    if encryption_key():
        say("moa: what is exported is not encrypted")
    if file is None or file == "-":
        out(document)
    else:
        _write(Path(file).expanduser(), document + "\n")


@commands.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="`-` reads standard input.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Another name for it.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let it run: resume, retry, replay, ask.")
    ] = False,
) -> None:
    """Read a thread that was exported, here or on another machine."""
    from moagraph.cli.render.trust import trust_lines
    from moagraph.graphs.compile.thread_trust import read_trust
    from moagraph.threads.archive import import_thread
    from moagraph.threads.open import open_threads

    document = _read_document(file)
    with open_threads() as threads:
        thread_id = import_thread(threads, document, name, trust)
        recorded = read_trust(threads, thread_id)
    for line in trust_lines(thread_id, recorded) if recorded else ():
        say(f"moa: {line}")
    if not trust:
        say("moa: `--trust` on `resume`, `retry`, `replay`, `ask` or `chat` lets it run")
    out(clean(thread_id))


def _list(limit: int, as_json: bool) -> None:
    import asyncio

    from moagraph.cli.render.threads import thread_table
    from moagraph.threads.listing import list_threads
    from moagraph.threads.open import open_threads

    with open_threads() as threads:
        rows = asyncio.run(list_threads(threads, limit))
    if as_json:
        out(json.dumps([row.as_json() for row in rows], ensure_ascii=False))
        return
    if not rows:
        say("moa: there are no threads yet: `moa ask` begins one")
        return
    for line in thread_table(rows):
        out(line)


def _parse_age(value: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dhm])", value.strip())
    if not match:
        raise UsageError(f"--older-than {value!r}: say it as 30d, 12h or 45m")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _read_document(file: str) -> Any:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file!r}: {error.strerror}") from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        source = "standard input" if file == "-" else repr(file)
        raise UsageError(f"{source} is not JSON, or only a part of it: {error}") from error


def _write(file: Path, text: str) -> None:
    """Write the whole file or nothing; only this user can read it."""
    part = file.with_name(file.name + ".part")
    try:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UsageError(f"cannot write {str(file)!r}: {error.strerror}") from error
