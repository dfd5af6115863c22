"""`moa show`: what each seat of a kept turn said and was sent, and how two runs differ."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from moagraph.cli.render.html import page
from moagraph.cli.render.output import out, say
from moagraph.cli.render.text import difference_told, fork_told, turn_told
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import clean
from moagraph.threads.diff import Difference, difference
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.turn_view import every_fork, shown

T = TypeVar("T")


def show(
    thread: str | None,
    turn: int | None,
    layer: int | None,
    sent: bool,
    forks: bool,
    diff: tuple[str, str] | None,
    html: str | None,
    as_json: bool,
) -> None:
    """One turn of a thread, its forks, or two runs side by side."""
    asked = {"--turn": turn, "--layer": layer, "--sent": sent, "--forks": forks, "--html": html}
    if diff:
        _refuse("--diff", asked, "--sent", "--forks", "--html")
        _differ(thread, diff, turn, layer, as_json)
    elif thread is None:
        raise UsageError("say which thread: `moa show THREAD`; `moa threads` lists them")
    elif forks:
        _refuse("--forks", asked, "--turn", "--layer", "--sent", "--html")
        _forks(thread, as_json)
    else:
        _turn(thread, turn, layer, sent, html, as_json)


def _turn(
    thread: str, turn: int | None, layer: int | None, sent: bool, html: str | None, as_json: bool
) -> None:
    found = _read(lambda threads: shown(threads, thread, turn, layer))
    if html is not None:
        _write(html, page(found))
    if as_json:
        _json(found.as_json(sent))
    elif html is None:
        out(clean("\n".join(turn_told(found, sent, whole=layer is None))))


def _forks(thread: str, as_json: bool) -> None:
    found = _read(lambda threads: every_fork(threads, thread))
    if as_json:
        _json([end.as_json() | {"forked_from": fork.origin} for fork, end in found])
        return
    for fork, end in found:
        out(fork_told(fork, end))


def _differ(
    thread: str | None, names: tuple[str, str], turn: int | None, layer: int | None, as_json: bool
) -> None:
    """Two threads; where a thread is named, two of its forks."""
    first, second = (f"{thread}@{name.lstrip('@')}" if thread else name for name in names)

    async def read(threads: Threads) -> Difference:
        one = await shown(threads, first, turn, layer)
        return difference(one, await shown(threads, second, turn, layer))

    found = _read(read)
    if as_json:
        _json(found.as_json())
    else:
        out(clean("\n".join(difference_told(found))))


def _refuse(option: str, asked: Mapping[str, object], *others: str) -> None:
    """Nothing that was asked for is left out silently."""
    for other in others:
        if asked[other]:
            raise UsageError(f"{option} does not go with {other}")


def _read(what: Callable[[Threads], Awaitable[T]]) -> T:
    async def read() -> T:
        return await what(threads)

    with open_threads() as threads:
        return asyncio.run(read())


def _json(said: Json | list[Json]) -> None:
    out(json.dumps(said, ensure_ascii=False))


def _write(name: str, text: str) -> None:
    """For this user's eyes only, as the threads are."""
    file = Path(name).expanduser()
    try:
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write {name!r}: {error.strerror}") from error
    say(f"moa: the page is {file.resolve()}")
