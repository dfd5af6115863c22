import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from moagraph import Recipe, ask
from moagraph.threads.archive import export_thread
from moagraph.threads.listing import ThreadRow, list_threads
from moagraph.threads.open import Threads, open_threads
from tests.faults import Always, Status
from tests.mixtures import graph_of, mixture
from tests.provider import Provider
from tests.terminal import moa

HOSTILE = "first\nline \x1b[2J\x1b]0;title\x07 \u202ebackwards " + "and on " * 20


def plain() -> Recipe:
    return mixture(["scripted:one", "scripted:two"], ["scripted:x"], aggregator="scripted:echo")


def asked(threads: Threads, thread: str = "t", question: str = "why?") -> None:
    assert ask(question, plain(), thread=thread, threads=threads).status == "done"


def rows(threads: Threads, limit: int | None = None) -> dict[str, ThreadRow]:
    return {row.thread_id: row for row in asyncio.run(list_threads(threads, limit))}


def on_disk() -> int:
    """The bytes of the SQLite file and its log."""
    return sum(file.stat().st_size for file in Path(os.environ["MOA_HOME"]).glob("threads.sqlite*"))


def test_a_row_says_what_was_asked_last_and_what_it_took(threads: Threads) -> None:
    asked(threads, question="before")
    asked(threads)
    [row] = rows(threads).values()
    assert (row.recipe, row.question, row.status) == ("mixture", "why?", "done")
    assert (row.calls, row.cost_usd) == (4, None)
    assert row.when.endswith("+00:00")


def test_each_thread_says_how_it_stands(provider: Provider, threads: Threads) -> None:
    asked(threads, "done")
    ask("why?", plain(), thread="paused", threads=threads, pause_after=[1])
    provider.script("agg", Always(Status(400)))
    ask("why?", mixture(["scripted:one"]), thread="failed", threads=threads)
    stopping = graph_of(plain(), checkpointer=threads, interrupt_before=["L2_01_x"])
    config = {"configurable": {"thread_id": "stopped"}}
    stopping.invoke({"messages": [("user", "why?")]}, config)
    told = rows(threads)
    assert {name: row.status for name, row in told.items()} == {name: name for name in told}
    assert [*told] == ["stopped", "failed", "paused", "done"]
    assert [row.calls for row in told.values()] == [2, 1, 2, 4]
    with threads.held("stopped"), threads.held("paused"):
        now = rows(threads)
    assert [row.status for row in now.values()] == ["running", "failed", "running", "done"]


def test_a_thread_is_free_as_soon_as_its_run_has_ended(threads: Threads) -> None:
    for _ in range(30):
        with threads.held("t"):
            pass
    assert not threads.running("t")


def test_to_look_whether_a_thread_runs_refuses_no_run(threads: Threads) -> None:
    looked, end = [], threading.Event()

    def look() -> None:
        while not end.wait(0.001):
            looked.append(threads.running("t"))

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(20):
        with threads.held("t"):
            end.wait(0.01)
    end.set()
    looking.join()
    assert True in looked


def test_prices_that_are_known_are_added_up(provider: Provider, threads: Threads) -> None:
    ask("why?", mixture(["openai:gpt-4o-mini"], aggregator="openai:gpt-4o-mini"),
        thread="t", threads=threads)  # fmt: skip
    assert (rows(threads)["t"].cost_usd or 0) > 0


def test_a_thread_of_another_app_hides_no_other(threads: Threads) -> None:
    asked(threads, "ours")
    told = export_thread(threads, "ours")["checkpoints"][0]
    frame = {**told["frame"], "id": told["id"], "channel_values": {}, "channel_versions": {}}
    threads.put(
        {"configurable": {"thread_id": "theirs", "checkpoint_ns": ""}},
        frame,
        {"source": "loop", "step": 1, "parents": {}},
        {},
    )
    assert {name: row.status for name, row in rows(threads).items()} == {
        "ours": "done",
        "theirs": "unknown",
    }


def test_no_more_rows_than_asked_for(threads: Threads) -> None:
    for name in ("a", "b", "c"):
        asked(threads, name)
    assert [*rows(threads, 2)] == ["c", "b"]


def test_the_list_is_a_table_that_no_text_breaks(threads: Threads) -> None:
    asked(threads, "evil\n\x1b[1mname", HOSTILE)
    done = moa("threads")
    header, line = done.out.splitlines()
    assert header.split() == ["when", "thread", "recipe", "status", "calls", "cost", "question"]
    assert "evil [1mname  mixture  done    4      ?     first line [2J]0;title backwards" in line
    assert line.endswith("…")
    assert "\x1b" not in done.out
    assert line.index("first") == header.index("question")


@pytest.mark.usefixtures("store")
def test_what_was_begun_is_written_although_nobody_waits_for_it() -> None:
    names = {f"t{number}" for number in range(40)}

    async def left() -> None:
        with open_threads() as threads:
            tasks = [asyncio.create_task(kept(threads, name)) for name in names]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(one) for one in ended} == {asyncio.CancelledError}

    async def kept(threads: Threads, name: str) -> None:
        config = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
        await threads.aput(config, empty_checkpoint(), {}, {})

    asyncio.run(left())
    with open_threads() as threads:
        assert {name for name, _ in threads.names()} == names


@pytest.mark.usefixtures("store")
def test_an_empty_list_says_how_to_begin() -> None:
    done = moa("threads")
    assert (done.code, done.out) == (0, "")
    assert done.lines == ["moa: there are no threads yet: `moa ask` begins one"]
    assert moa("threads", "--json").out == "[]\n"


def test_the_list_as_json_is_one_array_and_nothing_else(threads: Threads) -> None:
    for name in ("a", "b"):
        asked(threads, name, "wie spät? ☀")
    done = moa("threads", "--json", "--limit", "1")
    [row] = json.loads(done.out)
    assert [*row] == ["thread_id", "when", "recipe", "question", "status", "calls", "cost_usd"]
    assert (row["thread_id"], row["question"], row["calls"]) == ("b", "wie spät? ☀", 4)
    assert done.err == ""


def test_export_and_import_go_through_files_and_pipes(threads: Threads, tmp_path: Path) -> None:
    asked(threads)
    before, file = export_thread(threads, "t"), tmp_path / "t.json"
    assert moa("threads", "export", "t", "-o", str(file)).code == 0
    assert json.loads(file.read_text()) == before
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.glob("t.json*")] == ["t.json"]
    assert moa("threads", "import", str(file), "--as", "u").out == "u\n"
    printed = moa("threads", "export", "u").out
    assert json.loads(printed) == {**before, "thread_id": "u"}
    assert moa("threads", "delete", "u").lines[0].startswith("moa: deleted u: ")
    assert moa("threads", "import", "-", given=printed.encode()).out == "u\n"
    assert export_thread(threads, "u") == {**before, "thread_id": "u"}


def test_an_export_from_an_encrypted_database_says_that_it_is_plain(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("Crypto")
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", os.urandom(16).hex())
    with open_threads() as threads:
        asked(threads)
    assert moa("threads", "export", "t").lines == ["moa: what is exported is not encrypted"]


def test_delete_forgets_all_that_are_named_or_none(threads: Threads) -> None:
    for name in ("a", "b", "c"):
        asked(threads, name)
    done = moa("threads", "delete", "a", "x", "b")
    assert (done.code, done.lines) == (
        2,
        ["moa: no thread is called 'x'; `moa threads` lists them"],
    )
    assert len(rows(threads)) == 3
    assert moa("threads", "delete", "a", "b", "a").code == 0
    assert [*rows(threads)] == ["c"]


def test_prune_says_what_went_and_what_it_freed(threads: Threads, store: str) -> None:
    for _ in range(3):
        asked(threads, question="long " * 5000)
    asked(threads, "u")
    size = on_disk()
    done = moa("threads", "prune", "--older-than", "1h", "--keep-latest")
    assert done.out == "0 threads pruned to their last turn, 0.0 kB freed\n"
    with threads.held("u"):
        done = moa("threads", "prune", "--older-than", "0m", "--keep-latest")
    assert [line.split(":")[1] for line in done.lines] == [
        " thread 'u' is running, here or in another process",
        " pruned t",
    ]
    assert done.out.startswith("1 thread pruned to their last turn, ")
    assert len(rows(threads)) == 2
    if store == "sqlite":
        assert on_disk() < size
    with threads.held("u"):
        done = moa("threads", "prune", "--older-than", "0d")
    assert "moa: thread 'u' is running, here or in another process" in done.err
    assert done.out.startswith("1 thread deleted, ")
    assert [*rows(threads)] == ["u"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["prune", "--older-than", "soon"], "moa: --older-than 'soon': say it as 30d, 12h or 45m"),
        (["export", "x"], "moa: no thread is called 'x'; `moa threads` lists them"),
        (["import", "nope.json"], "moa: cannot read 'nope.json': No such file or directory"),
        (["import", "-"], "moa: standard input is not JSON, or only a part of it: "),
        (["export", "t", "-o", "no/where.json"], "moa: cannot write 'no/where.json': "),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    threads: Threads, words: list[str], told: str
) -> None:
    asked(threads)
    done = moa("threads", *words, given=b'{"format": 1, "checkpo')
    assert (done.code, done.out, len(done.lines)) == (2, "", 1)
    assert done.err.startswith(told)


def test_wide_ages_are_no_traceback() -> None:
    done = moa("threads", "prune", "--older-than", "99999d")
    assert (done.code, done.out) == (0, "0 threads deleted, 0.0 kB freed\n")
