"""What a client sends stays out of the server's log, whatever goes wrong."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import Served, save, serving

SECRET = "my-secret-text"
IMAGE: Any = {"type": "input_image", "image_url": f"data:image/png;base64,{SECRET}"}
TEXT: Any = {"type": "input_text", "text": SECRET}


@pytest.fixture
def served(own_environment: None) -> Iterator[Served]:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    with serving() as served:
        yield served


@pytest.fixture
def log(served: Served, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log of this server and of uvicorn, which keeps its own from the root logger."""
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.addHandler(caplog.handler)
    yield caplog
    uvicorn.removeHandler(caplog.handler)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("role", ["assistant", "system", "developer"])
def test_an_image_that_is_not_the_users_is_refused(
    served: Served, log: pytest.LogCaptureFixture, role: str, stream: bool
) -> None:
    message = {"type": "message", "role": role, "content": [TEXT, IMAGE]}
    said = [{"role": "user", "content": "hi"}, message]
    answer = served.post({"model": "mix", "input": said, "stream": stream}, "/responses")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "input[1].content[1]")
    assert "image" in error["message"]
    assert SECRET not in answer.text + log.text


def test_an_image_of_the_user_is_accepted(served: Served) -> None:
    said = [{"role": "user", "content": [TEXT, IMAGE]}]
    assert served.post({"model": "mix", "input": said}, "/responses").status_code == 200


@pytest.mark.parametrize(
    ("content", "role"), [([], "user"), ([{**TEXT, "text": " "}], "user"), ([], "assistant")]
)
def test_an_empty_message_is_named_as_the_client_wrote_it(
    served: Served, content: Any, role: str
) -> None:
    said = [{"role": "user", "content": "hi"}, {"role": role, "content": content}]
    body = {"model": "mix", "input": said, "instructions": "be brief"}
    answer = served.post(body, "/responses")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input[1].content"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("place", ["endpoints.stored_thread_id", "run_stream._finished_seats"])
def test_an_unexpected_error_is_logged_without_the_clients_text(
    served: Served,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    stream: bool,
) -> None:
    def fail(*_: object) -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ZeroDivisionError(SECRET) from error

    monkeypatch.setattr(f"moagraph.server.{place}", fail)
    said = [{"role": "user", "content": SECRET}]
    answer = served.post({"model": "mix", "messages": said, "stream": stream})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "ZeroDivisionError" in log.text
    assert "KeyError" in log.text
    assert "in fail" in log.text
    assert SECRET not in answer.text + log.text
