import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.server.strict_parser import (
    FREE_CHUNKS,
    MAX_HEAD_BYTES,
    MAX_HEADER_LINES,
    RefusedRequestError,
    StrictParser,
)

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
AMBIGUOUS = {
    "length and encoding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "encoding and length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\n",
    "a signed length": POST + b"Content-Length: +5\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "encoding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a folded header": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "bare line feeds": b"POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
    "one bare line feed": POST + b"X: y\nContent-Length: 0\r\n\r\n",
    "a bare line feed at the end": POST + b"Content-Length: 0\r\n\n",
}
MALFORMED = {
    "another encoding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\n",
    "a bare carriage return": POST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a chunk without its end": CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
}


def events(*pieces: bytes) -> list[object]:
    """What the parser finds in a request that arrives in these pieces."""
    parser, found = StrictParser(), []
    for piece in pieces:
        parser.receive_data(piece)
        while (event := parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            found.append(event)
            if isinstance(event, h11.ConnectionClosed):
                return found
    return found


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_two_parsers_may_read_differently_is_refused(request_: bytes) -> None:
    with pytest.raises(RefusedRequestError):
        events(request_)


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused(request_: bytes) -> None:
    with pytest.raises(h11.RemoteProtocolError):
        events(request_)


@pytest.mark.parametrize("version", [b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3"])
def test_another_version_is_refused_as_such(version: bytes) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        events(b"GET / " + version + b"\r\nHost: a\r\n\r\n")
    assert refused.value.error_status_hint == 505


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "unfinished"])
@pytest.mark.parametrize(
    "head",
    [
        POST + b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n",
        POST + b"X: y\r\n" * MAX_HEADER_LINES,
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n",
    ],
    ids=["a long header", "many headers", "a long path"],
)
def test_large_headers_are_refused_whether_they_are_complete_or_not(
    head: bytes, whole: bool
) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        events(head + (b"\r\n" if whole else b""))
    assert refused.value.error_status_hint == 431


def test_headers_up_to_the_limit_are_read() -> None:
    padding = MAX_HEAD_BYTES - len(POST) - len(b"X: \r\n")
    [request, end] = events(POST + b"X: " + b"x" * padding + b"\r\n\r\n")
    assert isinstance(request, h11.Request)
    assert isinstance(end, h11.EndOfMessage)


def test_the_limits_of_a_head_do_not_apply_to_a_body() -> None:
    body = b"\n x\n" * MAX_HEAD_BYTES
    head = POST + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    data = [event.data for event in events(head + body) if isinstance(event, h11.Data)]
    assert b"".join(data) == body


def test_a_second_request_is_checked_like_the_first() -> None:
    parser = StrictParser()
    parser.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + AMBIGUOUS["length and encoding"])
    assert isinstance(parser.next_event(), h11.Request)
    assert isinstance(parser.next_event(), h11.EndOfMessage)
    assert parser.next_event() is h11.PAUSED
    parser.send(h11.Response(status_code=204, headers=[]))
    parser.send(h11.EndOfMessage())
    parser.start_next_cycle()
    with pytest.raises(RefusedRequestError):
        parser.next_event()


def test_a_body_of_tiny_chunks_is_refused_before_it_costs_time() -> None:
    parser = StrictParser()
    parser.receive_data(CHUNKED + b"1\r\nx\r\n" * 50_000)
    read: list[object] = []
    with pytest.raises(RefusedRequestError, match="too small"):
        read.extend(event for event in iter(parser.next_event, h11.NEED_DATA))
    assert len(read) < 2 * FREE_CHUNKS


def test_a_body_of_common_chunks_is_read() -> None:
    body = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(1000)) + b"0\r\n\r\n"
    data = [event.data for event in events(CHUNKED + body) if isinstance(event, h11.Data)]
    assert b"".join(data) == b"x" * 1024_000


@given(
    request_=st.sampled_from([*AMBIGUOUS.values(), *MALFORMED.values()]),
    cut=st.integers(min_value=1, max_value=200),
)
def test_a_refusal_does_not_depend_on_how_the_request_arrives(request_: bytes, cut: int) -> None:
    with pytest.raises(h11.RemoteProtocolError):
        events(request_[:cut], request_[cut:] or b"\r\n")
