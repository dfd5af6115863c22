import asyncio
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from moagraph.nodes.models.call import Call, Limits
from moagraph.nodes.models.limits import (
    Bucket,
    CallGate,
    bucket,
    gate,
    limiter,
    paced,
    settle,
    within_limits,
)
from tests.mixtures import mixture


async def passing(
    gate: CallGate, model: str, most: int, passed: list[str], stay: Any = None
) -> None:
    async with gate.passed(model, most):
        passed.append(model)
        await (stay.wait() if stay else asyncio.sleep(0))


def test_of_those_that_wait_the_model_that_is_loaded_goes_first() -> None:
    gate, passed = CallGate(), list[str]()

    async def all_at_once() -> None:
        await asyncio.gather(*(passing(gate, model, 1, passed) for model in "abcabc"))

    asyncio.run(all_at_once())
    assert "".join(passed) == "aabbcc"
    assert (gate.running, gate.waiting) == (0, [])


def test_a_gate_lets_so_many_through_at_once() -> None:
    gate, passed, highest = CallGate(), list[str](), 0

    async def one() -> None:
        nonlocal highest
        async with gate.passed("", 3):
            highest = max(highest, gate.running)
            await asyncio.sleep(0.02)
            passed.append("")

    async def ten() -> None:
        await asyncio.gather(*(one() for _ in range(10)))

    asyncio.run(ten())
    assert (highest, len(passed), gate.running) == (3, 10, 0)


def test_who_is_cancelled_while_waiting_gives_the_place_up() -> None:
    gate, passed = CallGate(), list[str]()

    async def scene() -> None:
        leave = asyncio.Event()
        first = asyncio.create_task(passing(gate, "a", 1, passed, leave))
        second = asyncio.create_task(passing(gate, "a", 1, passed))
        third = asyncio.create_task(passing(gate, "b", 1, passed))
        while len(gate.waiting) < 2:
            await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.wait([second])
        assert gate.waiting == ["b"]
        leave.set()
        await asyncio.gather(first, third)

    asyncio.run(scene())
    assert passed == ["a", "b"]
    assert (gate.running, gate.waiting) == (0, [])


def test_who_is_cancelled_inside_gives_the_place_back() -> None:
    gate, passed = CallGate(), list[str]()

    async def scene() -> None:
        inside = asyncio.create_task(passing(gate, "a", 1, passed, asyncio.Event()))
        while not gate.running:
            await asyncio.sleep(0.01)
        inside.cancel()
        await asyncio.wait([inside])

    asyncio.run(scene())
    assert (gate.running, gate.waiting) == (0, [])


def later(bucket: Bucket, seconds: float) -> Bucket:
    """The bucket as it will be."""
    bucket.seen -= seconds
    return bucket


def test_a_bucket_begins_full_and_fills_as_time_goes_by() -> None:
    bucket = Bucket(600)
    assert bucket._try(600) == 0
    assert bucket._try(100) == pytest.approx(100, abs=5)
    assert later(bucket, 5)._try(100) == pytest.approx(50, abs=5)
    assert later(bucket, 5)._try(100) == 0


def test_a_bucket_never_holds_more_than_a_minutes_tokens() -> None:
    bucket = later(Bucket(600), 3600)
    assert bucket._try(600) == 0
    assert bucket._try(1) > 0


def test_a_call_larger_than_a_minute_is_sent_when_the_bucket_is_full() -> None:
    bucket = Bucket(100)
    assert bucket._try(250) == 0
    assert bucket.level == pytest.approx(-150, abs=1)
    assert later(bucket, 60)._try(100) > 0
    assert later(bucket, 90)._try(100) == 0


def test_what_the_server_counted_corrects_what_was_taken() -> None:
    limits = Limits(tokens_per_minute=1000)
    call = Call(model="vllm:settled", limits=limits, max_tokens=100)
    asked = [HumanMessage("word " * 40)]
    taken = asyncio.run(paced(call, asked))
    its = bucket("vllm http://127.0.0.1:8000/v1", 1000)
    assert taken >= 140
    before = its.level
    settle(call, taken, 60)
    assert its.level == pytest.approx(before + taken - 60, abs=1)
    settle(call, taken, None)
    assert its.level == pytest.approx(before + taken - 60, abs=1)


def test_requests_are_let_through_at_their_pace() -> None:
    slow = limiter("somewhere", 0.001)
    slow.acquire(blocking=False)
    assert not slow.acquire(blocking=False)
    assert limiter("somewhere", 0.001) is slow
    assert limiter("somewhere else", 0.001) is not slow


def test_a_call_without_limits_waits_for_nothing() -> None:
    async def through() -> int:
        call = Call(model="vllm:m")
        async with within_limits(call):
            return await paced(call, [])

    assert asyncio.run(through()) == 0


def test_a_server_has_one_gate() -> None:
    assert gate("here") is gate("here")
    assert gate("here") is not gate("there")


def test_a_recipes_limits_are_its_servers_and_a_seats_own_come_first() -> None:
    recipe = mixture(
        ["openai:a", "vllm:b", {"model": "vllm:c", "limits": {"max_concurrency": 5}}],
        limits={"vllm": {"max_concurrency": 2}},
        one_at_a_time=False,
    )
    a, b, c = [seat.limits for seat in recipe.layers[0].proposers]
    assert a is None
    assert (b, c) == (Limits(max_concurrency=2), Limits(max_concurrency=5))


@pytest.mark.parametrize(
    "limits",
    [{"max_concurrency": 0}, {"requests_per_second": 0}, {"tokens_per_minute": -1}, {"many": 1}],
    ids=str,
)
def test_limits_that_let_nothing_through_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limits"):
        mixture(["vllm:a"], limits={"vllm": limits})
