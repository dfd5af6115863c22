"""A real Postgres for a test session or a bench: Debian's binaries, a folder and a port of its own.

It listens on loopback only, trusts who comes from there, and never waits for the disk. It ends
with the process that started it, however that ends.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

SWIFT = "-c fsync=off -c full_page_writes=off -c max_connections=200"
SWEEP = """
while read -r _; do :; done
test -e "$2/data/postmaster.pid" && "$1" stop -D "$2/data" -w -s -m immediate
find "$2" -mindepth 1 -delete; rmdir "$2" 2>/dev/null
"""
UNPRIVILEGED = ("postgres", "nobody")  # Postgres refuses to run as root


def binaries() -> Path | None:
    """Where the newest installed Postgres has its programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A server that can go away and come back under the same address."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.port = free_port()
        self._run("initdb", "-U", "moa", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()

    def start(self) -> None:
        """Run until `stop`."""
        where = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories=''"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-s", "-t", "60", "-l", log, "-o", f"{where} {SWIFT}")

    def stop(self, mode: str = "immediate") -> None:
        """Hang up on everyone."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def url(self, database: str = "postgres") -> str:
        """How a client names it."""
        return f"postgresql://moa@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database that is dropped in the end."""
        name = f"moa_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement as the server's owner."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.programs / program, "-D", str(self.folder / "data"), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            **_owner(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")


@contextmanager
def served() -> Iterator[Postgres]:
    """A server, stopped and gone in the end whatever happens."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("Postgres is not installed: `apt-get install postgresql`")
    folder = Path(tempfile.mkdtemp(prefix="moa-postgres-"))
    with _swept(programs, folder):
        if who := _owner():
            os.chown(folder, who["user"], who["group"])
        yield Postgres(programs, folder)


@contextmanager
def _swept(programs: Path, folder: Path) -> Iterator[None]:
    """A shell waits for the end of its input, also where we are killed, and then clears away."""
    words = ["sh", "-c", SWEEP, "sh", str(programs / "pg_ctl"), str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True, **_owner()) as it:
        assert it.stdin is not None
        try:
            yield
        finally:
            it.stdin.close()
            it.wait()


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _owner() -> dict[str, Any]:
    """As whom its programs run: where we are root, a user who may nothing."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in UNPRIVILEGED if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
