import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from moagraph import Review, StorageError, UsageError, ask, replay, resume
from moagraph.evals.run.batch import batch
from moagraph.evals.run.evaluation import RunOptions
from moagraph.evals.sets.open import open_set
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.threads.open import open_threads
from tests.faults import Status
from tests.provider import Provider
from tests.runs import latest, recipe_file, said, two_layers

KEY, OTHER = "k" * 32, "o" * 32
QUESTION, EDITED = "the question of the marmot", "an edit of the marmot"
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def stored(store: str) -> bytes:
    """All that lies on the disk, as bytes."""
    if store == "sqlite":
        file = data_folder() / "threads.sqlite"
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()
        return file.read_bytes()
    with psycopg.connect(os.environ["MOA_DATABASE_URL"]) as connection_:
        rows: list[Any] = []
        for table in TABLES:
            rows += connection_.execute(f"SELECT t::text FROM {table} t".encode()).fetchall()
    text = "".join(row[0] for row in rows)
    return text.encode() + b"".join(_unhexed(text))


def _unhexed(text: str) -> list[bytes]:
    """The binary columns, which Postgres shows as `\\x` and digits."""
    parts = text.split("\\\\x")[1:]
    digits = ["".join(_leading(part)) for part in parts]
    return [bytes.fromhex(said[: len(said) // 2 * 2]) for said in digits]


def _leading(part: str) -> list[str]:
    end = next((at for at, sign in enumerate(part) if sign not in "0123456789abcdef"), len(part))
    return list(part[:end])


def run(threads: Any) -> None:
    """A turn with a pause, an edit and a replay: every kind of thing that is written."""
    ask(QUESTION, two_layers(), thread="t", threads=threads, pause_after=[1])
    resume("t", threads, Review(edit={"01": EDITED}))
    replay("t", threads, edit={"2.1": EDITED})


@pytest.mark.parametrize("key", [None, KEY])
def test_only_with_a_key_is_nothing_that_was_said_on_the_disk(
    provider: Provider, store: str, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    provider.reply("a", "an answer of the marmot")
    provider.reply("agg", "the last word of the marmot")
    if key:
        monkeypatch.setenv("MOA_ENCRYPTION_KEY", key)
    with open_threads() as threads:
        run(threads)
        assert said(latest(threads, "t"))[-1] == "the last word of the marmot"
    assert (b"marmot" in stored(store)) is (key is None)


@pytest.mark.parametrize("other", [None, OTHER])
def test_another_key_or_none_is_told_in_one_line(
    provider: Provider, store: str, monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", KEY)
    with open_threads() as threads:
        run(threads)
    if other:
        monkeypatch.setenv("MOA_ENCRYPTION_KEY", other)
    else:
        monkeypatch.delenv("MOA_ENCRYPTION_KEY")
    acts: list[Callable[[Any], Any]] = [
        lambda threads: resume("t", threads),
        lambda threads: replay("t", threads),
        lambda threads: ask("and?", two_layers(), thread="t", threads=threads),
    ]
    before = len(provider.calls)
    with open_threads() as threads:
        for act in acts:
            with pytest.raises(StorageError) as caught:
                act(threads)
            assert str(caught.value) == (
                "the threads are encrypted: "
                "set MOA_ENCRYPTION_KEY to the key that they were written with"
            )
    assert len(provider.calls) == before
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", KEY)
    with open_threads() as threads:
        assert said(latest(threads, "t"))[0] == QUESTION


def test_a_key_of_another_length_is_refused(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", "short")
    with pytest.raises(UsageError, match="must be 16, 24 or 32 bytes long; it has 5"):
        with open_threads():
            pass


def test_what_was_written_before_the_key_stays_readable(
    provider: Provider, store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open_threads() as threads:
        ask("one", two_layers(), thread="t", threads=threads)
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", KEY)
    with open_threads() as threads:
        ask("two", two_layers(), thread="t", threads=threads)
        assert said(latest(threads, "t"))[::2] == ["one", "two"]


@pytest.mark.parametrize("other", [None, OTHER])
async def test_a_batch_without_its_key_is_told_so_and_loses_nothing_that_was_paid(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str | None
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"prompt": QUESTION}))
    given, out = open_set(str(tmp_path / "in.jsonl")), tmp_path / "out.jsonl"
    mix = recipe_file(tmp_path, provider.base_url)
    provider.script("agg", Status(400))
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", KEY)
    assert await batch(given, mix, out, RunOptions()) == 0
    before = len(provider.calls)
    if other:
        monkeypatch.setenv("MOA_ENCRYPTION_KEY", other)
    else:
        monkeypatch.delenv("MOA_ENCRYPTION_KEY")
    with pytest.raises(StorageError, match="the threads are encrypted"):
        await batch(given, mix, out, RunOptions())
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", KEY)
    assert await batch(given, mix, out, RunOptions()) == 1
    assert [call.model for call in provider.calls[before:]] == ["agg"]
