from typing import Any

import pytest

from moagraph.cli.eval.progress import EvalProgress, duration_text


def row(**said: Any) -> dict[str, Any]:
    told = {"kind": "model", "status": "done", "cost_usd": 0.25, "usage": {"calls": 1}}
    return {**told, "system": "s", "id": 3, "error": None, **said}


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    return captured.readouterr().err.splitlines()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until it is moved."""
    now = [100.0]
    monkeypatch.setattr("moagraph.cli.eval.progress.time.monotonic", lambda: now[0])
    return now


def test_rate_cost_and_time_left_are_told_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = EvalProgress()
    progress.began("answers", 10, 2)
    for _ in range(4):
        clock[0] += 3
        progress.done(row())
    progress.done(row(status="failed", error="no\nmoney", cost_usd=None, usage={"calls": 0}))
    progress.end()
    assert lines(capsys) == [
        "moa: 10 answers wanted, 2 are there already",
        "moa: answers 4 of 10, 20.0 a minute, $0.5000, 18 seconds left",
        "moa: answers 6 of 10, 20.0 a minute, $1.0000, 12 seconds left",
        "moa: failed: s, row 3: no money",
        "moa: answers 6 of 10, 1 failed, 25.0 a minute, $1.0000, 7 seconds left",
    ]


def test_one_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    EvalProgress().began("verdicts", 1, 1)
    assert lines(capsys) == ["moa: 1 verdict wanted, 1 is there already"]


def test_a_price_that_is_not_known_is_never_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = EvalProgress()
    progress.began("answers", 3, 0)
    progress.done(row(cost_usd=None))
    assert ", price unknown" in progress.line()
    progress.done(row())
    assert ", $0.2500 and what has no price" in progress.line()
    free = EvalProgress()
    free.began("answers", 1, 0)
    free.done(row(kind="recorded", cost_usd=None))
    assert ", $0.0000" in free.line()


def test_nothing_wanted_is_nothing_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress = EvalProgress()
    progress.began("verdicts", 0, 0)
    progress.end()
    assert lines(capsys) == []


def test_a_length_of_time_is_told_as_one_says_it() -> None:
    assert [duration_text(s) for s in (0.7, 89, 91, 5000, 9000)] == [
        "1 second",
        "89 seconds",
        "2 minutes",
        "83 minutes",
        "2.5 hours",
    ]
