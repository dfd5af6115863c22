"""Runs that end before their time: by a person's hand, or by a mistake."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.evals.run.answers import AnswerCollector
from moagraph.evals.run.concurrency import SilentListener, run_concurrently
from moagraph.evals.run.spending_limit import SpendingLimit
from moagraph.evals.run.store import ResultStore
from moagraph.evals.run.verdicts import VerdictCollector
from moagraph.evals.run.workspace import open_workspace
from moagraph.threads.result import Result

ITEM = Item(1, ("why?",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with closing(ResultStore(tmp_path / "rows.jsonl")) as store:
        yield store


@dataclass
class Quick:
    """A system and a judge, who tell when they have spoken."""

    spoke: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "quick"
    kind: str = "model"
    method: str = "exact"
    compares: bool = False
    recipe: Any = None

    def with_sampling(self, temperature: float | None, max_tokens: int | None) -> "Quick":
        return self

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        self.spoke.set()
        return Result("", self.name, "done", answer="because")

    async def discard_thread(self, key: str) -> None:
        pass

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        return [Trial(case, {})]

    async def rule(self, trial: Trial) -> Ruling:
        self.spoke.set()
        return Ruling([JudgeVerdict(score=1.0)])


async def stopped(run: Awaitable[None], spoke: asyncio.Event) -> None:
    """Stop the run once that was said, while every thread is at work."""
    end, pool = Event(), ThreadPoolExecutor(1)
    pool.submit(end.wait)
    asyncio.get_running_loop().set_default_executor(pool)
    task = asyncio.ensure_future(run)
    await spoke.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    end.set()


async def test_an_answer_that_has_come_is_kept_where_the_run_is_stopped(
    store: ResultStore, tmp_path: Path
) -> None:
    data, quick = DataSet("set", (ITEM,), ""), Quick(recipe={"name": "quick", "layers": []})
    with open_workspace(tmp_path / "partial", tmp_path) as threads:
        answering = AnswerCollector(data, store, threads, SpendingLimit(None, 0), SilentListener())
        await stopped(answering.run([quick]), quick.spoke)
    assert [row["answer"] for row in store.rows.values()] == ["because"]


async def test_a_verdict_that_has_come_is_kept_where_the_run_is_stopped(
    store: ResultStore,
) -> None:
    case, quick = JudgeCase(ITEM, "system", ("because",)), Quick()
    await stopped(
        VerdictCollector(store, SpendingLimit(None, 0), SilentListener()).run([quick], [case]),
        quick.spoke,
    )
    assert [row["score"] for row in store.rows.values()] == [1.0]


async def test_after_a_mistake_nothing_is_begun_and_what_is_under_way_ends() -> None:
    begun, ended = list[int](), list[int]()

    async def work(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        if number == 0:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        ended.append(number)

    with pytest.raises(ZeroDivisionError):
        await run_concurrently(range(9), work, concurrency=3)
    assert (begun, ended) == ([0, 1, 2], [1, 2])


async def test_a_mistake_in_what_is_to_be_done_lets_the_others_end() -> None:
    ended = list[int]()

    def jobs() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    async def work(number: int) -> None:
        for _ in range(9):
            await asyncio.sleep(0)
        ended.append(number)

    with pytest.raises(ZeroDivisionError):
        await run_concurrently(jobs(), work, concurrency=2)
    assert ended == [1]
