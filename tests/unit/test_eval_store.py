import json
import resource
import tracemalloc
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from moagraph.evals.run.store import ResultStore
from moagraph.evals.run.workspace import open_workspace
from moagraph.nodes.errors import StorageError, UsageError


def row(key: str, **said: Any) -> dict[str, Any]:
    return {"key": key, "status": "done", "cost_usd": 0.5, **said}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def read(file: Path) -> ResultStore:
    store = ResultStore(file)
    store.close()
    return store


def test_what_is_added_stands_when_it_is_read_again(file: Path) -> None:
    store = ResultStore(file)
    store.add([row("a", answer="ä\n\u2028"), row("b")])
    store.close()
    again = read(file)
    assert (again.rows, again.spent, again.notes) == (store.rows, 1.0, [])
    assert "a" in again


def test_half_a_character_is_kept_as_it_is(file: Path) -> None:
    store = ResultStore(file)
    store.add([row("a", question="so \ud83d?")])
    store.close()
    assert read(file).rows["a"]["question"] == "so \ud83d?"


def test_a_last_line_that_was_cut_is_set_aside(file: Path) -> None:
    whole = lines(row("a"), row("b"))
    for cut in range(len(lines(row("a"))) + 1, len(whole) - 1):
        file.write_text(whole[:cut])
        store = ResultStore(file)
        store.add([row("c")])
        store.close()
        assert list(store.rows) == ["a", "c"]
        assert "ended in the middle of a line" in store.notes[0]
        assert file.read_text() == lines(row("a"), row("c"))
    assert file.with_name("answers.jsonl.cut").read_text().endswith(whole[-3:-2] + "\n")


def test_the_only_line_is_set_aside_wherever_it_was_cut(file: Path) -> None:
    whole = lines(row("a"))
    for cut in range(1, len(whole) - 1):
        file.write_text(whole[:cut])
        assert "ended in the middle of a line" in read(file).notes[0]
        assert file.read_text() == ""


@pytest.mark.parametrize("text", ["my notes", "my\nnotes", "my notes\n", '[1]\n{"key": 1}', "\nx"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=r"answers.jsonl' holds no results: write elsewhere"):
        ResultStore(file)
    assert file.read_text() == text
    assert [*file.parent.iterdir()] == [file]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_written_to(file: Path, text: str) -> None:
    file.write_text(text)
    with closing(ResultStore(file)) as store:
        store.add([row("a")])
    assert file.read_text() == text + lines(row("a"))


def test_of_a_long_file_no_more_than_a_line_is_held(file: Path) -> None:
    line = " " * 1_000_000 + "\n"
    file.write_text(lines(row("a")) + 16 * line + '{"key": "b')
    tracemalloc.start()
    try:
        assert list(read(file).rows) == ["a"]
        assert tracemalloc.get_traced_memory()[1] < 8 * len(line)
    finally:
        tracemalloc.stop()
    assert file.read_text().endswith(line)


def test_a_whole_last_line_without_its_end_is_kept(file: Path) -> None:
    file.write_text(lines(row("a"), row("b"))[:-1])
    store = ResultStore(file)
    store.add([row("c")])
    store.close()
    assert file.read_text() == lines(row("a"), row("b"), row("c"))
    assert store.notes == []


def test_a_line_that_nobody_can_read_is_left_out_and_told(file: Path) -> None:
    file.write_text(lines(row("a")) + '{"key": "b", "score": NaN}\n[1]\n' + lines(row("c")))
    store = read(file)
    assert list(store.rows) == ["a", "c"]
    assert [note.split(": left")[0] for note in store.notes] == [
        "answers.jsonl:2: not a result",
        "answers.jsonl:3: not a result",
    ]


def test_a_failed_row_is_asked_again_and_never_hides_an_answer(file: Path) -> None:
    file.write_text(lines(row("a", status="failed"), row("b"), row("b", status="failed"), row("a")))
    store = read(file)
    assert "a" in store
    assert store.rows["b"]["status"] == "done"
    assert store.spent == 2.0
    file.write_text(lines(row("a", status="failed")))
    assert "a" not in read(file)


def test_of_a_retried_row_only_what_is_new_is_spent(file: Path) -> None:
    def tried(status: str, *prices: float) -> dict[str, Any]:
        seats = [
            {"seat": f"{n}", "model": "m", "cost_usd": price} for n, price in enumerate(prices)
        ]
        layers = [{"layer": 1, "proposals": seats}]
        return row("a", kind="recipe", status=status, layers=layers, cost_usd=sum(prices))

    with closing(ResultStore(file)) as store:
        assert store.add([tried("failed", 0.5, 0.25)]) == 0.75
        assert store.add([tried("failed", 0.5, 0.125)]) == 0.125
        assert store.add([tried("done", 0.5, 1.0)]) == 1.0
        assert store.add([tried("done", 0.5, 1.0)]) == 1.5
    assert store.spent == read(file).spent == 3.375


def test_a_number_that_json_lacks_is_never_written(file: Path) -> None:
    store = ResultStore(file)
    with pytest.raises(ValueError, match="Out of range float"):
        store.add([row("a", score=float("nan"))])
    store.close()
    assert file.read_bytes() == b""


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the same command continues"):
        ResultStore(tmp_path)


def test_a_write_that_fails_in_mid_line_does_not_spoil_the_next(file: Path) -> None:
    with closing(ResultStore(file)) as store:
        store.add([row("a")])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, hard))
        try:
            with pytest.raises(StorageError, match="the same command continues"):
                store.add([row("b")])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.add([row("c")])
    assert file.read_text() == lines(row("a"), row("c"))


def test_a_file_is_not_closed_while_a_row_is_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ResultStore(file)
    closed = Thread(target=store.close)

    def sync(number: int) -> None:
        closed.start()
        closed.join(0.2)
        assert closed.is_alive()

    monkeypatch.setattr("os.fsync", sync)
    store.add([row("a")])
    closed.join()
    assert "a" in read(file)


def test_two_on_one_room_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "partial"
    with (
        open_workspace(place, tmp_path),
        pytest.raises(UsageError, match="in use by another process"),
        open_workspace(place, tmp_path),
    ):
        pass
    assert not place.exists()
