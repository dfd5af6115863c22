"""`moa show`: what each seat of a stored turn answered and was sent, and how two runs differ."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import UsageError
from moagraph.nodes.texts.printable import clean

if TYPE_CHECKING:
    from moagraph.threads.diff import Difference
    from moagraph.threads.open import Threads

T = TypeVar("T")


def show(
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="A thread, or a fork of it: THREAD@2.")
    ] = None,
    turn: Annotated[
        int | None, typer.Option("--turn", metavar="N", help="Counted from 1; default: the last.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", metavar="N", help="Only this layer.")
    ] = None,
    sent: Annotated[bool, typer.Option("--sent", help="Also what each was sent.")] = False,
    forks: Annotated[
        bool, typer.Option("--forks", help="List the thread's forks: each replay makes one.")
    ] = False,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--diff", metavar="A B", help="Compare two threads or, given THREAD, its forks A and B."
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page to read side by side."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each seat of a turn said, or how two runs differ."""
    options = {"--turn": turn, "--layer": layer, "--sent": sent, "--forks": forks, "--html": html}
    if diff:
        _refuse_together("--diff", options, "--sent", "--forks", "--html")
        _show_difference(thread, diff, turn, layer, as_json)
    elif thread is None:
        raise UsageError("say which thread: `moa show THREAD`; `moa threads` lists them")
    elif forks:
        _refuse_together("--forks", options, "--turn", "--layer", "--sent", "--html")
        _show_forks(thread, as_json)
    else:
        _show_turn(thread, turn, layer, sent, html, as_json)


def _show_turn(
    thread: str, turn: int | None, layer: int | None, sent: bool, html: str | None, as_json: bool
) -> None:
    from moagraph.cli.render.html import render_page
    from moagraph.cli.render.text import turn_lines
    from moagraph.threads.turn_view import read_turn

    view = _load(lambda threads: read_turn(threads, thread, turn, layer))
    if html is not None:
        _write_page(html, render_page(view))
    if as_json:
        _print_json(view.as_json(sent))
    elif html is None:
        out(clean("\n".join(turn_lines(view, sent, whole=layer is None))))


def _show_forks(thread: str, as_json: bool) -> None:
    from moagraph.cli.render.text import fork_line
    from moagraph.threads.turn_view import read_forks

    forks = _load(lambda threads: read_forks(threads, thread))
    if as_json:
        _print_json([view.as_json() | {"forked_from": fork.origin} for fork, view in forks])
        return
    for fork, view in forks:
        out(fork_line(fork, view))


def _show_difference(
    thread: str | None, names: tuple[str, str], turn: int | None, layer: int | None, as_json: bool
) -> None:
    """Compare two threads or, if a thread is named, two of its forks."""
    from moagraph.cli.render.difference import difference_lines
    from moagraph.threads.diff import compare_turns
    from moagraph.threads.turn_view import read_turn

    first, second = (f"{thread}@{name.lstrip('@')}" if thread else name for name in names)

    async def compare(threads: "Threads") -> "Difference":
        before = await read_turn(threads, first, turn, layer)
        return compare_turns(before, await read_turn(threads, second, turn, layer))

    result = _load(compare)
    if as_json:
        _print_json(result.as_json())
    else:
        out(clean("\n".join(difference_lines(result))))


def _refuse_together(option: str, options: Mapping[str, object], *excluded: str) -> None:
    """Refuse an option that would have no effect beside another."""
    for name in excluded:
        if options[name]:
            raise UsageError(f"{option} does not go with {name}")


def _load(view: Callable[["Threads"], Awaitable[T]]) -> T:
    import asyncio

    from moagraph.threads.open import open_threads

    async def load() -> T:
        return await view(threads)

    with open_threads() as threads:
        return asyncio.run(load())


def _print_json(value: Any) -> None:
    out(json.dumps(value, ensure_ascii=False))


def _write_page(name: str, text: str) -> None:
    """Write a file that only this user can read, as the threads are."""
    file = Path(name).expanduser()
    try:
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write {name!r}: {error.strerror}") from error
    say(f"moa: the page is {file.resolve()}")
