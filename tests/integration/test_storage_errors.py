import asyncio
import base64
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moagraph import MissingExtra, MoaError, Result, StorageError, aask, ask, replay, resume
from moagraph.cli import main
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.threads.events import SilentObserver
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.savers import postgres, steady
from tests.faults import Gate, Slow
from tests.installed import skip
from tests.postgres import Postgres, served
from tests.provider import Provider
from tests.runs import ALL, ANSWER, calls_of, execute, in_flight, latest, said, two_layers

MoaCommand = Callable[..., tuple[int, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`moa` in this process: its exit code and the one line that it must say."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["moa", *words])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr().err.splitlines()
        return int(end.value.code or 0), told[-1]

    return run


def one_turn(text: str = "why?") -> Result:
    with open_threads() as threads:
        came = ask(text, two_layers(), thread="t", threads=threads)
    assert came.status == "done"
    return came


def conversation() -> list[str]:
    with open_threads() as threads:
        return said(latest(threads, "t"))


COMMANDS = [["ask", "--recipe", "single", "hi"], ["resume", "t"], ["retry", "t"], ["replay", "t"]]
SINGLE = (
    "[[layers]]\nproposers = ['scripted:a']\n"
    "aggregate = { step = 'synthesize', model = 'scripted:b' }\n"
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_of_a_newer_version_is_left_alone(
    provider: Provider, store: str, command: MoaCommand, words: list[str]
) -> None:
    (data_folder() / "recipes").mkdir()
    (data_folder() / "recipes" / "single.toml").write_text(SINGLE)
    one_turn()
    newer = {
        "sqlite": ("PRAGMA user_version=99", "PRAGMA user_version=1"),
        "postgres": (
            "INSERT INTO checkpoint_migrations VALUES (99)",
            "DELETE FROM checkpoint_migrations WHERE v = 99",
        ),
    }[store]
    with open_threads() as threads:
        execute(threads, newer[0])
        code, line = command(*words)
        assert (code, line.startswith("moa: "), ": update " in line) == (2, True, True)
        assert "99, and this moagraph knows " in line
        execute(threads, newer[1])
    assert conversation() == ["why?", ANSWER]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def scrambled(data: bytes) -> bytes:
    return data[:5000] + random.Random(7).randbytes(len(data) - 5000)


def replaced(data: bytes) -> bytes:
    return b"Dear diary, today I was a text file. " * 200


@pytest.mark.parametrize("words", COMMANDS[1:], ids=" ".join)
@pytest.mark.parametrize("damage", [cut, scrambled, replaced])
def test_a_damaged_file_is_named_and_not_touched(
    provider: Provider, command: MoaCommand, words: list[str], damage: Callable[[bytes], bytes]
) -> None:
    one_turn()
    file = data_folder() / "threads.sqlite"
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    code, line = command(*words)
    assert (code, line.startswith(f"moa: cannot use {str(file)!r}: ")) == (2, True), line
    assert line.endswith("; it is damaged: move it away, or bring back a copy")
    assert file.read_bytes() == damage(whole)
    file.write_bytes(whole)
    assert conversation() == ["why?", ANSWER]


def test_a_file_that_cannot_be_made_is_told(
    command: MoaCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_folder() / "threads.sqlite").mkdir()
    code, line = command("resume", "t")
    assert (code, line.startswith("moa: cannot use '")) == (2, True)
    assert line.endswith("set MOA_HOME to a folder that can be written to")


@pytest.fixture
def small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_environment: None
) -> Iterator[Path]:
    """A disk of half a megabyte for the data folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=512k", "moa-tests", str(disk)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        reason = f"no small disk can be mounted here: {done.stderr.strip()}"
        pytest.skip(reason) if os.geteuid() else skip(reason)
    monkeypatch.setenv("MOA_HOME", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def filled(disk: Path) -> Path:
    """Leave no room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return ballast


def test_a_full_disk_is_one_line_and_what_was_stored_stays_readable(
    provider: Provider, small_disk: Path, command: MoaCommand
) -> None:
    one_turn()
    with open_threads() as threads:
        ballast = filled(small_disk)
        assert said(latest(threads, "t")) == ["why?", ANSWER]
        with pytest.raises(StorageError, match="free some space"):
            replay("t", threads)
    for words in (["replay", "t"], ["replay", "t", "--from-layer", "0"]):
        code, line = command(*words)
        assert (code, line.startswith("moa: cannot use '")) == (2, True), line
        assert line.endswith("free some space")
    ballast.unlink()
    assert conversation() == ["why?", ANSWER]
    one_turn("and?")
    assert conversation()[::2] == ["why?", "and?"]


def test_a_disk_that_fills_up_in_a_run_hands_back_what_was_paid(
    provider: Provider, small_disk: Path
) -> None:
    one_turn()
    provider.reply("b", base64.b64encode(random.Random(7).randbytes(600_000)).decode())
    provider.script("b", Slow(0.5))
    with open_threads() as threads:
        came = ask("big?", two_layers(), thread="t", threads=threads)
        assert (came.status, "full" in str(came.error)) == ("failed", True)
        told = {p["seat"]: p["text"] for p in came.layers[0]["proposals"]}
        assert told["01"] == "a says: this is answer number 2."
        assert told["03"] == "c says: this is answer number 2."
        assert said(latest(threads, "t"))[:2] == ["why?", ANSWER]
        provider.reply("b", "short")
        assert resume("t", threads).status == "done"
    assert conversation()[::2] == ["why?", "big?"]


@pytest.fixture(scope="module")
def own_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """A server that these tests may stop."""
    with served() as server:
        yield server


async def interrupted(
    provider: Provider, threads: Threads, server: Postgres, comes_back: bool
) -> Result:
    """A run whose database goes away while a model answers."""
    gate = Gate()
    provider.script("e", gate)
    asking = aask("why?", two_layers(), thread="t", threads=threads, watch=SilentObserver())
    task = asyncio.create_task(asking)
    while len(provider.calls) < 6 or in_flight(provider) > 1:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(server.stop)
    gate.opened.set()
    if comes_back:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
    return await task


def test_postgres_may_go_away_and_come_back_in_a_run(
    provider: Provider, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_postgres.database() as url:
        monkeypatch.setenv("MOA_DATABASE_URL", url)
        with open_threads() as threads:
            came = asyncio.run(interrupted(provider, threads, own_postgres, comes_back=True))
            assert (came.status, came.answer, len(provider.calls)) == ("done", ANSWER, len(ALL))
            assert said(latest(threads, "t")) == ["why?", ANSWER]
            assert replay("t", threads).status == "done"


def test_postgres_that_stays_away_ends_the_run_with_all_that_was_paid(
    provider: Provider, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "PATIENCE", 1.0)
    monkeypatch.setattr(postgres, "PATIENCE", 1.0)
    with own_postgres.database() as url:
        monkeypatch.setenv("MOA_DATABASE_URL", url)
        try:
            with open_threads() as threads:
                running = interrupted(provider, threads, own_postgres, comes_back=False)
                came = asyncio.run(running)
        finally:
            own_postgres.start()
        assert came.status == "failed"
        assert str(came.error).startswith("cannot use the Postgres database 127.0.0.1/moa_")
        assert "\n" not in str(came.error)
        assert [p["ok"] for layer in came.layers for p in layer["proposals"]] == [True] * 6
        with open_threads() as threads:
            asked = calls_of(provider, lambda: resume("t", threads))
            assert set(asked) <= {"agg", "d", "e", "f"}
            assert said(latest(threads, "t"))[0] == "why?"


def test_a_postgres_that_is_not_there_is_told_without_its_password(
    command: MoaCommand, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOA_DATABASE_URL", "postgresql://moa:pass-word@127.0.0.1:1/moa")
    code, line = command("resume", "t")
    assert (code, "pass-word" in line) == (2, False)
    assert line.startswith("moa: cannot use the Postgres database 127.0.0.1/moa: ")
    assert line.endswith("; check MOA_DATABASE_URL")
    monkeypatch.setenv("MOA_DATABASE_URL", own_postgres.url("nowhere"))
    code, line = command("resume", "t")
    assert (code, 'database "nowhere" does not exist' in line) == (2, True)
    monkeypatch.setenv("MOA_DATABASE_URL", "this is no address")
    code, line = command("resume", "t")
    assert (code, line.endswith("; check MOA_DATABASE_URL")) == (2, True)


def test_a_saver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOA_DATABASE_URL", "postgresql://moa@127.0.0.1:1/moa")
    monkeypatch.delitem(sys.modules, "psycopg_pool")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtra) as caught, open_threads():
        pass
    needs = "MOA_DATABASE_URL is set, which needs `pip install 'moagraph[postgres]'`"
    assert str(caught.value) == needs


def test_a_locked_out_writer_is_told(provider: Provider, command: MoaCommand) -> None:
    one_turn()
    (data_folder() / "locks").rename(data_folder() / "away")
    (data_folder() / "locks").write_text("not a folder")
    code, line = command("replay", "t")
    assert (code, line.startswith("moa: cannot use '")) == (2, True)
    assert isinstance(StorageError("x"), MoaError)


def test_the_file_is_for_its_owner_alone_and_writes_ahead() -> None:
    with open_threads():
        pass
    file = data_folder() / "threads.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    connection: Any = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
