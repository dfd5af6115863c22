import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from moagraph.server.http_protocol import ConnectionLimits
from tests.faults import Always, Hang
from tests.integration.test_server_leaving import until
from tests.provider import Provider
from tests.serving import HI, Served, save, serving

PATIENCE = 20  # seconds after which a connection that should have been closed was not
HOST = b"Host: localhost\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST
SECOND = HEALTH.replace(b"healthz", b"openapi.json") + b"\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
QUICK = ConnectionLimits(head_seconds=0.3, linger_seconds=0.3)


@pytest.fixture
def served(own_environment: None) -> Iterator[Served]:
    save("mix", ["scripted:one"], aggregator="scripted:echo")
    with serving(connection=QUICK) as served:
        yield served


def connect(served: Served, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def until_closed(connection: socket.socket) -> bytes:
    """What arrives before the server closes the connection; a timeout if it never does."""
    received = b""
    try:
        while block := connection.recv(65536):
            received += block
    except ConnectionResetError:
        pass
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def error_of(received: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(received.rpartition(b"\r\n\r\n")[2])["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


HALF_OPEN = {
    "nothing": (b"", []),
    "half a request line": (b"GET /hea", [408]),
    "half of the headers": (HEALTH + b"X: y\r\nAccept", [408]),
    "half of a second request": (HEALTH + b"\r\n" + HEALTH, [200, 408]),
    "a body that nothing reads": (
        b"POST /v1/nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n{",
        [404],
    ),
    "a second body that nothing reads": (
        HEALTH + b"\r\n" + HEALTH.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\n{",
        [200, 405],
    ),
}


@pytest.mark.parametrize(("sent", "answers"), HALF_OPEN.values(), ids=HALF_OPEN)
def test_a_half_open_request_is_closed(served: Served, sent: bytes, answers: list[int]) -> None:
    with connect(served, sent) as connection:
        assert statuses(until_closed(connection)) == answers


def test_a_body_that_trickles_in_after_its_answer_is_cut_off(served: Served) -> None:
    sent, answers = HALF_OPEN["a body that nothing reads"]
    with connect(served, sent) as connection:
        assert statuses(connection.recv(65536)) == answers
        connection.sendall(b" ")
        assert not statuses(until_closed(connection))


def test_a_request_that_trickles_is_closed(served: Served) -> None:
    with connect(served) as connection:
        with ThreadPoolExecutor() as pool:
            closed = pool.submit(until_closed, connection)
            for byte in HEALTH + b"X: " + b"y" * 10_000:
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    break
                if closed.done():
                    break
                threading.Event().wait(0.01)
            received = closed.result()
    assert statuses(received) in ([408], [])
    assert b"200" not in received


def test_two_hundred_half_open_requests_are_closed_and_others_are_answered(
    served: Served,
) -> None:
    with ExitStack() as stack:
        half_open = [stack.enter_context(connect(served, HEALTH)) for _ in range(200)]
        assert served.ask().choices[0].message.content == "hi"
        assert all(statuses(until_closed(connection)) == [408] for connection in half_open)
    assert served.get("/healthz").json() == {"status": "ok"}


def test_a_connection_is_kept_for_more_requests(served: Served) -> None:
    with connect(served) as connection:
        for _ in range(3):
            connection.sendall(HEALTH + b"\r\n")
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            assert statuses(received) == [200]
        connection.sendall(HEALTH + b"\r\n" + HEALTH + b"Connection: close\r\n\r\n")
        assert statuses(until_closed(connection)) == [200, 200]


def test_headers_of_100_kb_are_refused_even_in_one_packet(served: Served) -> None:
    with connect(served, HEALTH + b"X: " + b"x" * 100_000 + b"\r\n\r\n") as connection:
        received = until_closed(connection)
    assert statuses(received) == [431]
    assert error_of(received)["code"] == "headers_too_large"


SMUGGLED = {
    "a length and an encoding": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an encoding and a length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    ),
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED)
def test_an_ambiguous_request_is_refused_and_no_second_one_is_answered(
    served: Served, sent: bytes
) -> None:
    with connect(served, sent + SECOND) as connection:
        received = until_closed(connection)
    assert statuses(received) == [400]
    assert error_of(received)["type"] == "invalid_request_error"
    assert b"openapi" not in received


def test_tiny_chunks_are_refused(served: Served) -> None:
    sent = POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000
    with connect(served, sent) as connection:
        received = until_closed(connection)
    assert statuses(received) == [400]
    assert "chunks" in error_of(received)["message"]


def test_a_body_that_is_announced_as_far_too_large_is_not_awaited(served: Served) -> None:
    with connect(served, POST + b"Content-Length: 99999999999\r\n\r\n{") as connection:
        assert statuses(until_closed(connection)) == [413]


def test_a_new_connection_takes_the_place_of_the_longest_half_open_one() -> None:
    patient = ConnectionLimits(connections=4, head_seconds=600)
    with serving(connection=patient) as served, ExitStack() as stack:
        half_open = [stack.enter_context(connect(served, HEALTH)) for _ in range(4)]
        assert served.get("/healthz").json() == {"status": "ok"}
        assert until_closed(half_open[0]) == b""
        for connection in half_open[1:]:
            connection.sendall(b"Connection: close\r\n\r\n")
            assert statuses(until_closed(connection)) == [200]


def test_a_connection_beyond_the_limit_is_refused_while_all_others_work(
    provider: Provider,
) -> None:
    save("mix", ["openai:a"])
    provider.script("a", Always(Hang()))
    body = json.dumps({"model": "mix", "messages": HI}).encode()
    request = POST + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    with serving(connection=ConnectionLimits(connections=2)) as served, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(served, request))
        until(lambda: len(provider.calls) == 2)
        with connect(served) as refused:
            received = until_closed(refused)
        assert statuses(received) == [503]
        assert "too many connections" in error_of(received)["message"]


def works(served: Served) -> bool:
    """Whether a new connection is served; one that is refused may be reset before its 503."""
    try:
        response = served.get("/healthz")
    except httpx.ReadError:
        return False
    assert response.status_code in (200, 503)
    return response.status_code == 200


def test_a_client_that_stops_reading_loses_its_connection() -> None:
    one = ConnectionLimits(connections=1, send_seconds=0.3)
    with serving(connection=one) as served, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(SECOND * 1000)  # the responses are more than all buffers hold
        assert connection.recv(1)
        until(lambda: not works(served))
        until(lambda: works(served))
