"""Answers in another form than was asked for, and answers that end for an unknown reason."""

import asyncio
import json
from typing import Any

import pytest

from moagraph.api.ask import aask
from moagraph.threads.events import SilentObserver
from moagraph.threads.result import Result
from tests.faults import DONE, Always, Raw
from tests.mixtures import one_layer
from tests.provider import Provider
from tests.raw import EVENTS, USAGE, body_of, event, events_of, stream, whole
from tests.terminal import moa


def run(streamed: bool = True, **options: Any) -> Result:
    watch = SilentObserver() if streamed else None
    recipe = one_layer("openai:a", {"model": "openai:b", "attempts": 1}, **options)
    return asyncio.run(aask("why?", recipe, watch=watch))


def second(came: Result) -> dict[str, Any]:
    record: dict[str, Any] = dict(came.layers[0]["proposals"][1])
    return record


@pytest.mark.parametrize("content_type", ["application/json", EVENTS, "text/plain"])
def test_a_whole_answer_to_a_streaming_request_is_read(
    provider: Provider, content_type: str
) -> None:
    provider.script("b", Always(Raw(json.dumps(body_of()).encode(), content_type)))
    record = second(run())
    assert (record["kind"], record["text"]) == ("ok", "an answer")
    assert record["input_tokens"] == USAGE["prompt_tokens"]
    assert record["answered_by"] == "raw"


def test_a_whole_answer_over_several_lines_is_read(provider: Provider) -> None:
    provider.script("b", Always(Raw(b"\n" + json.dumps(body_of(), indent=2).encode() + b"\n")))
    assert second(run())["text"] == "an answer"


def test_an_error_in_place_of_a_stream_is_reported(provider: Provider) -> None:
    provider.script("b", Always(whole({"error": {"message": "out of memory"}})))
    assert second(run())["error"].endswith("out of memory")


WAYS: dict[str, Any] = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "comments": lambda data: b": ping\n\n" + data.replace(b"\n\n", b"\n\n: ping\n\n"),
    "fields": lambda data: data.replace(b"data: ", b"event: message\nid: 1\ndata: "),
    "no spaces": lambda data: data.replace(b"data: ", b"data:"),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "no mark at the end": lambda data: data.removesuffix(DONE),
    "no empty line at the end": lambda data: data.removesuffix(DONE).rstrip(b"\n"),
    "data behind the end": lambda data: data + b"data: {broken\n\n",
    "data over two lines": lambda data: data.replace(b', "object"', b',\ndata: "object"'),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_valid_form_of_events_is_read(provider: Provider, way: str) -> None:
    data = b"".join(map(event, events_of(["an ", "answér"]))) + DONE
    provider.script("b", Always(Raw(WAYS[way](data), EVENTS)))
    record = second(run())
    assert (record["kind"], record["text"], record["error"]) == ("ok", "an answér", None)


def test_an_emoji_that_is_broken_over_two_events_is_whole(provider: Provider) -> None:
    provider.script("b", Always(stream(events_of(["so \ud83d", "\ude00!"]))))
    assert second(run())["text"] == "so \U0001f600!"


def test_a_reason_that_several_chunks_repeat_is_one(provider: Provider) -> None:
    first, *middle, last, usage = events_of(["an ", "answer"])
    provider.script("b", Always(stream([first, *middle, last, last, usage])))
    record = second(run())
    assert (record["kind"], record.get("warnings")) == ("ok", None)


UNKNOWN = ["abort", "eos_reached", "", 7, {"type": "x"}, ["stop"]]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("reason", UNKNOWN)
def test_an_unknown_reason_for_the_end_is_not_ok_without_a_note(
    provider: Provider, reason: Any, streamed: bool
) -> None:
    if streamed:
        reply = stream(events_of(finish=reason))
    else:
        reply = whole(body_of(choice={"finish_reason": reason}))
    provider.script("b", Always(reply))
    record = second(run(streamed))
    if not reason:  # none at all: the answer breaks off
        assert (record["ok"], record["kind"]) == (False, "bad_answer")
        return
    assert (record["ok"], record["text"]) == (True, "an answer")
    [warning] = record["warnings"]
    assert "is unknown: the answer may be incomplete" in warning


@pytest.mark.parametrize("reason", ["stop", "eos", "STOP", "end_turn"])
def test_known_reasons_need_no_note(provider: Provider, reason: str) -> None:
    provider.script("b", Always(whole(body_of(choice={"finish_reason": reason}))))
    record = second(run(False))
    assert (record["kind"], "warnings" in record) == ("ok", False)


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS"])
def test_an_answer_that_reached_its_length_is_truncated(provider: Provider, reason: str) -> None:
    provider.script("b", Always(whole(body_of(choice={"finish_reason": reason}))))
    assert second(run(False))["kind"] == "truncated"


def test_the_command_line_shows_the_note(provider: Provider, tmp_path: Any) -> None:
    provider.script("b", Always(stream(events_of(finish="abort"))))
    (tmp_path / "mix.toml").write_text(
        '[[layers]]\nproposers = ["openai:a", "openai:b"]\n'
        'aggregate = { step = "synthesize", model = "openai:agg" }\n'
    )
    done = moa("ask", "--recipe", str(tmp_path / "mix.toml"), "--thread", "t", "why?")
    note = "the finish reason 'abort' is unknown: the answer may be incomplete"
    assert note in done.err
    assert note in moa("show", "t").out
