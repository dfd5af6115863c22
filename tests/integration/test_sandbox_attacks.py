"""Code of a stranger in a sandbox: what it tries, and that nothing of it has happened."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.sandbox_attacks import DISABLING, LIMITS_OFF, REACHING, attacking, judging
from tests.sandboxing import BOXES, Box

PASSED = {"verdict": "passed", "why": ""}
LEFT = ["datagrams", "secret.txt", "socket"]
POSSIBLE = [
    "it reads a file",
    "it lists folders",
    "it starts a shell",
    "it reads every environment",
    "it reads its parents' environments",
    "it signals others",
    "it has itself signalled to others",
    "it reaches loopback",
    "it sends datagrams",
    "it reaches a socket by path",
    "it sends datagrams from a pair",
    "it listens",
    "it raises its limits",
    "it unsets what binds it to its parent",
    "through sys.modules",
    "through gc",
    "through _posixsubprocess",
    "through a race",
    "through ctypes",
]


class World(NamedTuple):
    """What an attacker would have, and whether it had it."""

    folder: Path
    secret: Path
    listener: socket.socket
    local: socket.socket
    datagrams: socket.socket
    token: str

    def known(self) -> dict[str, object]:
        """What the attacker knows of it."""
        return {
            "secret": str(self.secret),
            "folder": str(self.folder),
            "port": self.listener.getsockname()[1],
            "socket": self.local.getsockname(),
            "datagrams": self.datagrams.getsockname(),
            "process": os.getpid(),
        }

    def assert_untouched(self) -> None:
        """Nothing was changed, made or reached."""
        assert self.secret.read_text() == self.token
        assert self.secret.stat().st_mode & 0o777 == 0o666
        assert self.secret.stat().st_mtime == 1000
        assert sorted(path.name for path in self.folder.iterdir()) == LEFT
        for one in (self.listener, self.local):
            with pytest.raises(BlockingIOError):
                one.accept()
        with pytest.raises(BlockingIOError):
            self.datagrams.recv(1)


@pytest.fixture
def world() -> Iterator[World]:
    """A file that every user can read and write, and two sockets that listen."""
    folder = Path("/var/tmp") / f"moa-{uuid4().hex}"  # where `nobody` can go
    folder.mkdir()
    folder.chmod(0o777)
    token = uuid4().hex
    secret = folder / "secret.txt"
    secret.write_text(token)
    secret.chmod(0o666)
    os.utime(secret, (1000, 1000))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        for one, name in ((local, "socket"), (datagrams, "datagrams")):
            one.bind(str(folder / name))
            (folder / name).chmod(0o777)
        local.listen()
        for one in (listener, local, datagrams):
            one.setblocking(False)
        yield World(folder, secret, listener, local, datagrams, token)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_attacking_a_stranger_reaches_nothing(box: Box, world: World) -> None:
    attempts = [*REACHING.values()]
    code = attacking(attempts, world.known(), first=LIMITS_OFF)
    report = box.run(code, judging(attempts), secret=world.token)
    assert report == PASSED, dict(enumerate(REACHING, 1))
    world.assert_untouched()


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("attempt", DISABLING)
def test_attacking_a_stranger_cannot_take_the_limits_off(
    box: Box, attempt: str, world: World
) -> None:
    attempts = [DISABLING[attempt]]
    report = box.run(attacking(attempts, world.known()), judging(attempts), secret=world.token)
    assert report == PASSED
    assert world.token not in json.dumps(report)
    world.assert_untouched()


def test_the_attempts_succeed_where_nothing_isolates(world: World) -> None:
    """Without a sandbox: what the tests above would miss if an attempt were none."""
    known = {**REACHING, **DISABLING}
    attempts = [known[name] for name in POSSIBLE]
    report = Box("none").run(attacking(attempts, world.known()), judging(attempts), secret="key")
    assert report["verdict"] == "failed"
    got = [name for number, name in enumerate(POSSIBLE, 1) if f"{number}: [" in report["why"]]
    assert got == POSSIBLE
