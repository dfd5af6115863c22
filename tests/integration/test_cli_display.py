import sys
from pathlib import Path

import pytest

from tests.faults import Gate, Hang, Status
from tests.provider import Provider
from tests.terminal import Terminal, saved, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")

ANSWER = "one two three four five six"


def recipe(folder: Path, provider: Provider, seats: int = 1) -> str:
    """Two layers: some seats of `a` and a `b`, then a `c`; `agg` answers."""
    text = f"""
[defaults]
base_url = "{provider.base_url}"
[[layers]]
proposers = [{{ model = "vllm:a", count = {seats} }}, "vllm:b"]
[[layers]]
proposers = ["vllm:c"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
    return saved(folder, text)


@pytest.fixture
def answering(provider: Provider) -> Provider:
    provider.reply("agg", ANSWER)
    return provider


def test_every_seat_is_shown_as_it_goes(answering: Provider, tmp_path: Path) -> None:
    first, last = Gate(), Gate()
    answering.script("a", first)
    answering.script("b", Status(400, message="no luck"))
    answering.script("agg", last)
    with Terminal("ask", "--recipe", recipe(tmp_path, answering), "--thread", "t", "hi") as shown:
        shown.read("1 token so far")
        table = shown.frames[-2].splitlines()
        assert [line.split()[0] for line in table] == ["1.01", "1.02", "2.01", "2"]
        assert "answering" in table[0]
        assert "waiting" in table[2]
        assert "waiting" in table[3]
        shown.read("failed: 400: no luck")
        assert shown.shown.count(b"done in") == 0
        first.opened.set()
        shown.read("one two three")
        assert "four" not in shown.text
        last.opened.set()
        assert shown.end() == 0
    ending = shown.text[shown.text.rindex(" 1.01 ") :].splitlines()
    assert "done in" in ending[0]
    assert "tokens" in ending[0]
    assert "2 synthesize" in ending[3]
    assert ending[3].endswith("answers")
    assert ending[4] == ANSWER
    assert ending[5].startswith("moa: done in ")
    assert len(ending) == 6


def test_a_piped_answer_streams_beside_the_table(answering: Provider, tmp_path: Path) -> None:
    gate = Gate()
    answering.script("agg", gate)
    with Terminal("ask", "--recipe", recipe(tmp_path, answering), "hi", piped=True) as shown:
        assert shown.out.read(13) == b"one two three"
        shown.read("2 synthesize")
        assert answering.calls[-1].finished is None
        gate.opened.set()
        assert shown.end() == 0
        assert shown.out.read() == b" four five six\n"
    assert "one two three" not in shown.text
    assert "2 synthesize vllm:agg done in" in shown.text


def test_more_seats_than_lines_are_summed_up(answering: Provider, tmp_path: Path) -> None:
    answering.script("a", *[None] * 18, Hang(), Hang())
    file = recipe(tmp_path, answering, seats=20)
    with Terminal("ask", "--recipe", file, "hi", size=(60, 8)) as shown:
        shown.read("more: 16 done")
        pictures = shown.frames
        shown.interrupt()
        assert shown.end() == 130
    assert max(picture.count("\n") for picture in pictures) <= 7
    assert any(" layer 2  2 waiting" in picture for picture in pictures)
    assert max(len(line) for picture in pictures for line in picture.splitlines()) < 60
    assert shown.text.count("vllm:a stopped") == 2


def test_ctrl_c_leaves_the_table_as_it_was_and_one_line(
    answering: Provider, tmp_path: Path
) -> None:
    answering.script("c", Hang())
    with Terminal("ask", "--recipe", recipe(tmp_path, answering), "--thread", "t", "hi") as shown:
        shown.read("2.01 vllm:c answering")
        until(lambda: answering.calls[-1].model == "c")
        shown.interrupt()
        assert shown.end() == 130
    ending = shown.text[shown.text.rindex(" 1.01 ") :].splitlines()
    assert [line.split()[2] for line in ending[:3]] == ["done", "done", "stopped"]
    assert ending[3].endswith("waiting")
    assert ending[-1] == "moa: stopped; `moa resume t` goes on from here"
    with Terminal("resume", "t") as shown:
        assert shown.end() == 0
    first = shown.frames[0].splitlines()
    assert [" ".join(line.split()[2:4]) for line in first[:2]] == ["done in", "done in"]
    assert ANSWER in shown.text


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    answering: Provider, tmp_path: Path
) -> None:
    with Terminal("ask", "--recipe", recipe(tmp_path, answering), "hi", TERM="dumb") as shown:
        assert shown.end() == 0
    assert b"\x1b" not in shown.shown
    assert " 1.01 vllm:a: done in" in shown.text


def test_colours_can_be_switched_off(answering: Provider, tmp_path: Path) -> None:
    with Terminal("ask", "--recipe", recipe(tmp_path, answering), "hi", NO_COLOR="1") as shown:
        assert shown.end() == 0
    assert b"\x1b[32m" not in shown.shown
    assert b"\x1b[0m" not in shown.shown
