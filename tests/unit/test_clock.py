"""The time of a stopped process is not the model's: on a clock that the test moves."""

import asyncio
from collections.abc import Iterator

import pytest

from moagraph.nodes.models.clock import TICK, Timer, active_clock, deadline, sleep


class Machine:
    """The machine's clock, which stands still until the test lets time pass."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = 1_000.0
        self._loop = loop

    def time(self) -> float:
        return self.now

    async def run(self, seconds: float) -> None:
        """Time passes while the process runs: the loop is never late."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + TICK / 2, end)
            await _turns()

    async def stop(self, seconds: float) -> None:
        """Time passes while the process is stopped."""
        self.now += seconds
        await _turns()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    loop = asyncio.get_running_loop()
    machine = Machine(loop)
    monkeypatch.setattr(loop, "time", machine.time)
    return machine


async def test_a_deadline_expires_after_its_time(machine: Machine) -> None:
    async def block() -> None:
        async with deadline(10):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(block())
    await machine.run(9.5)
    assert not task.done()
    await machine.run(1)
    with pytest.raises(TimeoutError):
        await task


async def test_the_time_in_which_the_process_was_stopped_is_not_counted(machine: Machine) -> None:
    async def block() -> float:
        async with deadline(10) as limit:
            await asyncio.Event().wait()
        return limit.remaining

    task = asyncio.ensure_future(block())
    await machine.run(2)
    await machine.stop(23)
    await machine.run(7)
    assert not task.done()
    await machine.stop(3_600)
    await machine.run(0.5)
    assert not task.done()
    await machine.run(2)
    with pytest.raises(TimeoutError):
        await task


async def test_seconds_are_measured_without_the_stop(machine: Machine) -> None:
    clock = active_clock()
    with clock.running():
        began = clock.time()
        await machine.run(2)
        await machine.stop(23)
        await machine.run(1)
        assert clock.time() - began == pytest.approx(3, abs=TICK)


async def test_idle_time_between_calls_is_no_stop(machine: Machine) -> None:
    """Nobody looks at the clock then, which must not be taken for a stop later."""
    clock = active_clock()
    with clock.running():
        await machine.run(1)
    machine.now += 100
    with clock.running():
        began = clock.time()
        await machine.run(1)
        assert clock.time() - began == pytest.approx(1, abs=TICK)


async def test_a_pause_of_the_deadline_is_not_counted(machine: Machine) -> None:
    async def block() -> None:
        async with deadline(10) as limit:
            with limit.paused():
                await turn.wait()
            await asyncio.Event().wait()

    turn = asyncio.Event()
    task = asyncio.ensure_future(block())
    await machine.run(60)
    turn.set()
    await machine.run(9)
    assert not task.done()
    await machine.run(2)
    with pytest.raises(TimeoutError):
        await task


async def test_a_timer_waits_for_active_time(machine: Machine) -> None:
    rung = list[float]()
    with active_clock().running():
        Timer(5, lambda: rung.append(machine.now))
        await machine.run(1)
        await machine.stop(50)
        await machine.run(3)
        assert rung == []
        await machine.run(2)
        assert len(rung) == 1


async def test_a_sleep_goes_on_after_a_stop(machine: Machine) -> None:
    task = asyncio.ensure_future(sleep(5))
    await machine.run(1)
    await machine.stop(50)
    await machine.run(3)
    assert not task.done()
    await machine.run(2)
    await task


async def test_a_block_that_ends_in_time_leaves_nothing_behind(machine: Machine) -> None:
    async with deadline(1):
        await _turns()
    await machine.run(5)


def loops() -> Iterator[asyncio.AbstractEventLoop]:
    for _ in range(2):
        loop = asyncio.new_event_loop()
        yield loop
        loop.close()


def test_each_loop_has_a_clock_of_its_own() -> None:
    async def seconds() -> float:
        async with deadline(5) as limit:
            return limit.remaining

    for loop in loops():
        assert loop.run_until_complete(seconds()) == pytest.approx(5, abs=1)
