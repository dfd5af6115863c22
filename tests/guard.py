"""The switch that makes a live call impossible: only this machine can be reached."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HERE = ("localhost", "::1", "", "0.0.0.0", "None")
REACHES = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
}

refused: list[str] = []
_open = True


class LiveCall(Exception):
    """A test tried to reach another machine."""


@contextmanager
def guarded(on: bool = True) -> Iterator[list[str]]:
    """Refuse other machines; what was refused is listed, because code may swallow the error."""
    global _open
    before, _open = _open, not on
    refused.clear()
    try:
        yield refused
    finally:
        _open = before


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _open or event not in REACHES:
        return
    where = args[REACHES[event]]
    if isinstance(where, tuple):
        where = where[0]
    elif event in ("socket.connect", "socket.sendto"):
        return  # a path: a socket of this machine
    host = where.decode() if isinstance(where, bytes) else str(where)
    if host not in HERE and not host.startswith("127."):
        refused.append(host)
        raise LiveCall(f"{event} to {host!r}: tests talk to this machine only")


sys.addaudithook(_hook)
