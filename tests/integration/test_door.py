import asyncio
from typing import Any

import pytest

from tests.faults import (
    Always,
    ContentFilter,
    Cut,
    Drip,
    Empty,
    Fault,
    Garbage,
    Hang,
    MidStreamError,
    NullContent,
    Reset,
    Status,
    Surrogate,
    TruncatedBody,
    WrongModel,
)
from tests.mixtures import graph_of, mixture
from tests.provider import Provider

HI = {"messages": [("user", "hi")]}
ways = pytest.mark.parametrize("way", ["whole", "stream"])


def record(provider: Provider, way: str, *faults: Fault | Always | None, **seat: Any) -> Any:
    """What becomes of a seat whose model fails so, beside one that is well."""
    provider.script("m", *faults)
    recipe = mixture([{"model": "openai:m", **seat}, "openai:well"], aggregator="openai:agg")

    async def run() -> Any:
        state: Any = None
        modes = ["values", "messages"] if way == "stream" else ["values"]
        async for mode, data in graph_of(recipe).astream(HI, stream_mode=modes):
            state = data if mode == "values" else state
        return state

    found = asyncio.run(run())["layers"]["1"]["01"]
    assert all(call.body["stream"] is (way == "stream") for call in provider.calls)
    assert provider.calls[-1].model == "agg"
    return found


def calls(provider: Provider) -> int:
    return sum(call.model == "m" for call in provider.calls)


@ways
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_never_asked_again(provider: Provider, way: str, status: int) -> None:
    seat = record(provider, way, Always(Status(status, message="no luck")))
    assert (seat["ok"], seat["kind"], seat["attempts"], calls(provider)) == (False, "refused", 1, 1)
    assert seat["error"] == f"{status}: no luck"


@ways
@pytest.mark.parametrize(
    "fault", [Status(500), Status(503), Status(408), Status(409), Reset()], ids=str
)
def test_what_passes_is_asked_again(provider: Provider, way: str, fault: Fault) -> None:
    seat = record(provider, way, fault)
    assert (seat["ok"], seat["kind"], seat["attempts"], calls(provider)) == (True, "ok", 2, 2)
    assert seat["error"] is None


@ways
def test_retry_after_is_honoured(provider: Provider, way: str) -> None:
    seat = record(provider, way, Status(429, retry_after=0.9))
    assert (seat["ok"], seat["attempts"]) == (True, 2)
    first, second = [call.arrived for call in provider.calls if call.model == "m"]
    assert second - first >= 0.9


def test_a_wait_longer_than_the_timeout_is_not_begun(provider: Provider) -> None:
    seat = record(provider, "whole", Always(Status(429, retry_after=60, message="busy")), timeout=5)
    assert (seat["kind"], seat["attempts"]) == ("rate_limited", 1)
    assert seat["error"] == "429: busy"


def test_attempts_are_as_many_as_the_recipe_says(provider: Provider) -> None:
    seat = record(provider, "whole", Always(Status(500, message="down")), attempts=2)
    assert (seat["kind"], seat["attempts"], calls(provider)) == ("unreachable", 2, 2)
    assert seat["error"] == "500: down"
    assert record(provider, "whole", Always(Status(500)), attempts=1)["attempts"] == 1


@ways
def test_a_hanging_call_ends_with_its_timeout(provider: Provider, way: str) -> None:
    seat = record(provider, way, Always(Hang()), timeout=0.4)
    assert (seat["ok"], seat["kind"], seat["attempts"]) == (False, "timeout", 1)
    assert seat["error"] == "no answer within 0.4 s"
    assert seat["seconds"] >= 0.4
    assert [call.aborted for call in provider.calls if call.model == "m"] == [True]


@ways
def test_a_trickle_ends_with_the_timeout_too(provider: Provider, way: str) -> None:
    provider.reply("m", "word " * 200)
    seat = record(provider, way, Always(Drip(0.2)), timeout=0.6)
    assert (seat["kind"], seat["attempts"], seat["text"]) == ("timeout", 1, "")


def test_the_timeout_counts_every_attempt(provider: Provider) -> None:
    seat = record(provider, "whole", Status(500, message="down"), Always(Hang()), timeout=1.5)
    assert (seat["kind"], seat["attempts"]) == ("timeout", 2)
    assert seat["error"] == "no answer within 1.5 s (before that: 500: down)"
    assert [call.aborted for call in provider.calls if call.model == "m"] == [False, True]


WRONG: dict[str, tuple[Fault, str, str]] = {
    "empty": (Empty(), "empty", "the answer is empty (finish reason 'stop')"),
    "null": (NullContent(), "empty", "the answer is empty (finish reason 'stop')"),
    "filtered": (
        ContentFilter(),
        "refused",
        "the provider's content filter withheld the answer",
    ),
    "refused": (Status(400, code="content_filter", message="no"), "refused", "400: no"),
}


@ways
@pytest.mark.parametrize(("fault", "kind", "error"), WRONG.values(), ids=WRONG)
def test_an_answer_that_says_nothing_is_none(
    provider: Provider, way: str, fault: Fault, kind: str, error: str
) -> None:
    seat = record(provider, way, Always(fault))
    assert (seat["ok"], seat["kind"], seat["error"]) == (False, kind, error)
    assert (seat["text"], seat["attempts"]) == ("", 1)


BROKEN: dict[str, tuple[Fault, set[str]]] = {
    "garbage": (Garbage(), {"bad_answer"}),
    "a proxy's page": (Garbage(content_type="text/html"), {"bad_answer"}),
    "an error in its midst": (MidStreamError("too much"), {"bad_answer"}),
    "cut": (Cut(), {"bad_answer"}),
    "truncated": (TruncatedBody(), {"unreachable"}),
    "reset": (Reset(), {"unreachable"}),
}


@ways
@pytest.mark.parametrize(("fault", "kinds"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_a_failure_of_its_kind(
    provider: Provider, way: str, fault: Fault, kinds: set[str]
) -> None:
    provider.reply("m", "one two three four five six seven")
    seat = record(provider, way, Always(fault), attempts=2)
    assert not seat["ok"]
    assert seat["kind"] in kinds, seat
    assert seat["text"] == ""
    assert "\n" not in seat["error"]
    assert "not-sent" not in seat["error"]


@ways
def test_half_an_emoji_does_not_break_the_answer(provider: Provider, way: str) -> None:
    provider.reply("m", "hi")
    seat = record(provider, way, Surrogate())
    assert (seat["ok"], seat["text"]) == (True, "hi ?")


@ways
def test_another_model_that_answers_is_named(provider: Provider, way: str) -> None:
    seat = record(provider, way, WrongModel("cheaper"))
    assert (seat["model"], seat["answered_by"]) == ("openai:m", "cheaper")


@ways
def test_an_answer_cut_by_its_limit_is_kept_and_named(provider: Provider, way: str) -> None:
    provider.reply("m", "one two three")
    seat = record(provider, way, max_tokens=2)
    assert (seat["ok"], seat["kind"], seat["text"]) == (True, "truncated", "one two")


@ways
def test_a_server_that_is_not_there_is_unreachable(provider: Provider, way: str) -> None:
    seat = record(provider, way, base_url="http://127.0.0.1:9/v1", attempts=2)
    assert (seat["kind"], seat["attempts"]) == ("unreachable", 2)
    assert "\n" not in seat["error"]


@ways
def test_no_connection_is_left_open_by_a_failure(provider: Provider, way: str) -> None:
    for fault in (Hang(), Reset(), TruncatedBody(), Garbage(), Status(500), Drip(0.2)):
        record(provider, way, Always(fault), timeout=0.3, attempts=2)
        asyncio.run(asyncio.sleep(0.05))
        assert provider.open_connections == 0
        provider.reset()
