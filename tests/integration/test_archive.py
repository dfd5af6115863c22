import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import Review, UnknownName, UsageError, ask, replay, resume, retry
from moagraph.nodes.errors import StorageError
from moagraph.threads.archive import export_thread, import_thread
from moagraph.threads.export_schema import make_document
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.prune import prune
from tests.faults import Always, Status
from tests.mixtures import mixture
from tests.postgres import Postgres
from tests.provider import Provider
from tests.runs import calls_of, latest, read, two_layers

HOSTILE = "nul \0 escape \x1b[2J, \u202e turned, ☀, a lone \ud800".encode(
    "utf-8", "replace"
).decode()


@pytest.fixture
def lived(provider: Provider, threads: Threads) -> Threads:
    """Thread `t` knows a pause, an edit, a failure, a retry, forks, and a run that stopped."""
    provider.reply("b", HOSTILE)
    ask("one", two_layers(), thread="t", threads=threads, pause_after=[1])
    resume("t", threads, Review(edit={"01": "mine"}, add=["of my own"]))
    provider.script("agg", Status(400))
    assert ask(HOSTILE, two_layers(), thread="t", threads=threads).status == "failed"
    assert retry("t", threads).status == "done"
    replay("t", threads, drop=["1.02"])
    replay("t", threads, again=["2.01"])
    provider.script("agg", Always(Status(400)))
    assert ask("three", two_layers(), thread="t", threads=threads).status == "failed"
    provider.reset()
    return threads


@pytest.fixture
def short(threads: Threads) -> Threads:
    """Thread `t` has one turn."""
    ask("one", mixture(["scripted:a"], aggregator="scripted:b"), thread="t", threads=threads)
    return threads


@pytest.fixture
def other(
    store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Threads]:
    """The saver of the other kind."""
    if store == "postgres":
        monkeypatch.delenv("MOA_DATABASE_URL")
        with open_threads() as threads:
            yield threads
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        monkeypatch.setenv("MOA_DATABASE_URL", url)
        with open_threads() as threads:
            yield threads


def carried(told: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of a file."""
    back: dict[str, Any] = json.loads(json.dumps(told))
    return back


def resummed(told: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Another document, whose sum is right: as one who means harm would write it."""
    change(told)
    return make_document(told["thread_id"], told["checkpoints"])


def test_an_import_is_exactly_what_was_exported(lived: Threads) -> None:
    told = carried(export_thread(lived, "t"))
    assert import_thread(lived, told, "u") == "u"
    assert export_thread(lived, "u") == {**told, "thread_id": "u"}
    assert read(lived, "u") == read(lived, "t")


def test_an_import_takes_its_own_name_back(lived: Threads) -> None:
    told, before = carried(export_thread(lived, "t")), read(lived, "t")
    lived.delete_thread("t")
    assert import_thread(lived, told) == "t"
    assert read(lived, "t") == before


def test_a_thread_moves_between_the_databases_and_back(lived: Threads, other: Threads) -> None:
    told = carried(export_thread(lived, "t"))
    import_thread(other, told)
    assert export_thread(other, "t") == told
    assert read(other, "t") == read(lived, "t")
    import_thread(lived, carried(export_thread(other, "t")), "back")
    assert read(lived, "back") == read(lived, "t")


def test_a_thread_in_memory_can_be_kept(lived: Threads) -> None:
    told = carried(export_thread(lived, "t"))
    memory = InMemorySaver()
    import_thread(memory, told)
    assert export_thread(memory, "t") == told


def test_a_pruned_thread_moves_too(lived: Threads, other: Threads) -> None:
    assert prune(lived, "t").checkpoints
    told = carried(export_thread(lived, "t"))
    import_thread(other, told)
    assert export_thread(other, "t") == told
    assert read(other, "t") == read(lived, "t")


def test_an_imported_thread_goes_on_from_where_it_was(
    provider: Provider, lived: Threads, other: Threads
) -> None:
    import_thread(other, carried(export_thread(lived, "t")), trust=True)
    assert calls_of(provider, lambda: retry("t", other)) == ["agg"]
    assert calls_of(provider, lambda: replay("t", other, edit={"2.01": "mine"})) == ["agg"]
    assert calls_of(provider, lambda: retry("t", lived)) == ["agg"]
    assert len(latest(other, "t")["messages"]) == len(latest(lived, "t")["messages"]) == 6


def test_a_paused_thread_is_paused_after_its_move(
    provider: Provider, threads: Threads, other: Threads
) -> None:
    ask("one", two_layers(), thread="t", threads=threads, pause_after=[1])
    import_thread(other, carried(export_thread(threads, "t")), trust=True)
    asked = calls_of(provider, lambda: resume("t", other, Review(drop=["01"])))
    assert asked == ["agg", "d", "e", "f"]


@pytest.mark.usefixtures("provider")
def test_what_is_exported_from_an_encrypted_database_can_be_read_without_the_key(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("Crypto")
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", os.urandom(16).hex())
    with open_threads() as encrypted:
        ask("one", two_layers(), thread="t", threads=encrypted)
        told, before = carried(export_thread(encrypted, "t")), read(encrypted, "t")
        assert import_thread(encrypted, told, "u") == "u"
    import_thread(threads, told, "v")
    assert read(threads, "v") == before


def test_a_name_that_is_taken_is_refused_and_another_offered(short: Threads) -> None:
    before = read(short, "t")
    with pytest.raises(UsageError, match=r"there is a thread 't' already: .* `--as NAME`"):
        import_thread(short, export_thread(short, "t"))
    assert read(short, "t") == before


def test_an_unknown_thread_is_told_in_one_line(threads: Threads) -> None:
    with pytest.raises(UnknownName, match=r"no thread is called 'x'; `moa threads` lists them"):
        export_thread(threads, "x")


def test_a_running_thread_is_neither_exported_nor_imported_into(short: Threads) -> None:
    told = export_thread(short, "t")
    with short.held("t"), pytest.raises(UsageError, match="is running"):
        export_thread(short, "t")
    with short.held("u"), pytest.raises(UsageError, match="is running"):
        import_thread(short, told, "u")


FOREIGN: list[Any] = [{}, [], 7, None, "text", {"format": 1}, {"format": "1", "checkpoints": []}]


@pytest.mark.parametrize("told", FOREIGN)
def test_foreign_json_is_refused(threads: Threads, told: Any) -> None:
    with pytest.raises(UsageError, match="no exported thread"):
        import_thread(threads, told)


def test_a_newer_format_is_refused(short: Threads) -> None:
    with pytest.raises(UsageError, match="has format 2, and this moagraph knows 1: update"):
        import_thread(short, {**export_thread(short, "t"), "format": 2}, "u")


def _first(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda told: change(told["checkpoints"][1])


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no checkpoints": lambda told: told["checkpoints"].clear(),
    "a checkpoint that is a text": lambda told: told["checkpoints"].append("x"),
    "a wrong id": _first(lambda entry: entry.update(id="../../etc")),
    "no frame": _first(lambda entry: entry.pop("frame")),
    "no versions": _first(lambda entry: entry["frame"].pop("channel_versions")),
    "versions that are a text": _first(lambda entry: entry["frame"].update(versions_seen="x")),
    "one key more": _first(lambda entry: entry.update(more=1)),
    "no base64": _first(lambda entry: entry["values"].update(messages=["msgpack", "é!"])),
    "no msgpack": _first(lambda entry: entry["values"].update(messages=["msgpack", "wcHB"])),
    "a pickle": _first(lambda entry: entry["values"].update(messages=["pickle", "gASVAAAu"])),
    "a half write": _first(lambda entry: entry["writes"].append(["task", "messages"])),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told_and_nothing_is_kept(
    short: Threads, change: Callable[[dict[str, Any]], Any]
) -> None:
    told = resummed(carried(export_thread(short, "t")), change)
    with pytest.raises(UsageError, match="the exported thread is damaged: ") as refused:
        import_thread(short, told, "u")
    assert "\n" not in str(refused.value)
    assert [name for name, _ in short.names()] == ["t"]


def test_one_changed_letter_is_damage(short: Threads) -> None:
    told = carried(export_thread(short, "t"))
    told["checkpoints"][3]["metadata"]["step"] = 99
    with pytest.raises(UsageError, match="damaged: its sum is another"):
        import_thread(short, told, "u")


def test_a_document_names_no_function_to_call(short: Threads, tmp_path: Path) -> None:
    call = ormsgpack.packb(("os", "system", f"touch {tmp_path / 'called'}"))
    foul = b64encode(ormsgpack.packb(ormsgpack.Ext(0, call))).decode()
    told = resummed(
        carried(export_thread(short, "t")),
        _first(lambda entry: entry["values"].update(messages=["msgpack", foul])),
    )
    import_thread(short, told, "u")
    assert not (tmp_path / "called").exists()


def test_an_import_that_the_database_refuses_leaves_nothing(short: Threads) -> None:
    def foul(told: dict[str, Any]) -> None:
        told["checkpoints"][-1]["writes"].append(["task", "a\0channel", "null", ""])

    told = resummed(carried(export_thread(short, "t")), foul)
    try:
        import_thread(short, told, "u")
    except StorageError:
        assert [name for name, _ in short.names()] == ["t"]
    else:
        assert export_thread(short, "u") == {**told, "thread_id": "u"}
