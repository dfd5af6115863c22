from types import SimpleNamespace
from typing import Any

import pytest

from moagraph.nodes.models.error_redaction import redact_error
from moagraph.nodes.models.failures import MAX_LINE, Failure, failure


class Answered(Exception):
    """An error as an SDK raises it."""

    def __init__(self, status: int, message: str = "no luck", **headers: str) -> None:
        super().__init__(f"Error code: {status} - {message}")
        self.status_code = status
        self.body = {"message": message}
        self.response = SimpleNamespace(status_code=status, headers=headers)


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (400, "refused", False),
        (401, "refused", False),
        (403, "refused", False),
        (404, "refused", False),
        (408, "timeout", True),
        (409, "unreachable", True),
        (413, "refused", False),
        (422, "refused", False),
        (425, "unreachable", True),
        (429, "rate_limited", True),
        (500, "unreachable", True),
        (503, "unreachable", True),
        (529, "unreachable", True),
    ],
)
def test_a_status_tells_the_kind_and_whether_to_ask_again(
    status: int, kind: str, again: bool
) -> None:
    assert failure(Answered(status)) == Failure(kind, f"{status}: no luck", again)


@pytest.mark.parametrize(
    ("said", "after"),
    [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), ("", None)],
)
def test_retry_after_is_read_as_seconds(said: str, after: float | None) -> None:
    assert failure(Answered(429, **{"retry-after": said})).after == after
    assert failure(Answered(503, **{"retry-after": said})).after == after


def test_a_wait_is_what_was_asked_for_or_doubles() -> None:
    assert Failure("rate_limited", "", True, after=3.0).wait(1) == 3.0
    for attempt, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (9, 20.0)):
        waits = [Failure("unreachable", "", True).wait(attempt) for _ in range(50)]
        assert longest / 2 <= min(waits) <= max(waits) <= longest
        assert len(set(waits)) > 1


def test_an_error_is_one_short_line_without_the_key() -> None:
    found = failure(Answered(401, "wrong\n  key: s3cret\n" + "x" * 999), "s3cret")
    assert found.error.startswith("401: wrong key: *** xxx")
    assert len(found.error) == MAX_LINE + len("401: ")
    assert failure(ValueError()).error == "the answer could not be read: ValueError"


@pytest.mark.parametrize("error", [TimeoutError("x"), type("ReadTimeout", (Exception,), {})("x")])
def test_a_timeout_is_a_timeout(error: Exception) -> None:
    assert (failure(error).kind, failure(error).again) == ("timeout", True)


def test_a_broken_connection_can_be_tried_again_and_tells_its_cause() -> None:
    try:
        raise ConnectionError from OSError("refused by peer")
    except ConnectionError as error:
        found = failure(error)
    assert found == Failure("unreachable", "ConnectionError (refused by peer)", again=True)


def test_whatever_else_is_an_answer_that_could_not_be_read() -> None:
    found = failure(KeyError("choices"))
    assert (found.kind, found.again) == ("bad_answer", False)


def test_a_hushed_error_repeats_the_key_nowhere() -> None:
    error: Any = Answered(401, "your s3cret", note="s3cret")
    error.add_note("of s3cret")
    error.__cause__ = ValueError({"error": ["s3cret", ("s3cret",)]})
    redact_error(error, ["s3cret"])
    shown = f"{error!r}{error}{vars(error)}{error.__cause__!r}{error.__notes__}"
    assert "s3cret" not in shown
    assert error.response.status_code == error.status_code == 401
    assert not hasattr(error.response, "json")
