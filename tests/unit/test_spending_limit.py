"""The limit over many answers: a run under it always ends, and how far it can be exceeded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.evals.run.concurrency import run_concurrently
from moagraph.evals.run.spending_limit import SpendingLimit, SpendingLimitReached
from moagraph.nodes.errors import UsageError
from tests.examples import examples

NANODOLLAR = Decimal("1e-9")


@dataclass(frozen=True, eq=False)
class Answer:
    """What an answer may cost, what it costs, and for how many turns of the loop it runs."""

    most: float
    cost: float
    turns: int


def dollars(tokens: int, price: float) -> float:
    """As prices are computed: dollars per million tokens."""
    return tokens * price / 1_000_000


tokens, prices = st.integers(0, 5_000), st.integers(1, 9_000).map(lambda cents: cents / 100)
answers = st.builds(
    lambda price, most, cost, turns: Answer(dollars(most, price), dollars(cost, price), turns),
    prices,
    tokens,
    tokens,
    st.integers(0, 5),
)


async def run_to_the_end(
    jobs: Sequence[Answer], limit: SpendingLimit, at_once: int
) -> tuple[list[Answer], bool]:
    """The answers that were paid, and whether the limit stopped the run; a hang is a failure.

    Nothing here waits for the clock, so a run that has not ended after this many turns of the
    loop never would.
    """
    paid: list[Answer] = []

    async def work(job: Answer) -> None:
        async with limit.reserve(job.most):
            for _ in range(job.turns):
                await asyncio.sleep(0)
            limit.pay(job.cost)
            paid.append(job)

    task = asyncio.ensure_future(run_concurrently(jobs, work, at_once))
    for _ in range(20 * (len(jobs) + 1) * (at_once + 1)):
        await asyncio.sleep(0)
        if task.done():
            break
    else:
        task.cancel()
        raise AssertionError(f"the run hangs: {len(paid)} of {len(jobs)} answers are paid")
    try:
        await task
    except SpendingLimitReached:
        return paid, True
    return paid, False


def exact(amounts: Sequence[float]) -> Decimal:
    return sum((Decimal(repr(amount)) for amount in amounts), Decimal(0))


@given(
    jobs=st.lists(answers, min_size=1, max_size=30),
    limit=st.integers(0, 200).map(lambda cents: cents / 100),
    spent=st.integers(0, 100).map(lambda mills: mills / 1_000),
    at_once=st.integers(1, 8),
)
@examples(150)
def test_a_run_ends_and_exceeds_its_limit_only_by_what_the_last_answers_cost_beyond_their_maximum(
    jobs: list[Answer], limit: float, spent: float, at_once: int
) -> None:
    paid, stopped = asyncio.run(run_to_the_end(jobs, SpendingLimit(limit, spent), at_once))
    beyond = sorted((max(0.0, job.cost - job.most) for job in paid), reverse=True)
    rounding = NANODOLLAR * len(jobs)
    total = exact([spent, *(job.cost for job in paid)])
    allowed = max(exact([limit]), exact([spent])) + exact(beyond[:at_once])
    assert total <= allowed + rounding
    refused = [job for job in jobs if job not in paid]
    assert stopped or not refused
    if stopped:  # it is not refused for nothing: one of the others does not fit
        assert any(total + exact([job.most]) > exact([limit]) - rounding for job in refused)


@given(
    jobs=st.lists(answers, min_size=1, max_size=40),
    at_once=st.integers(2, 8),
)
@examples(60)
def test_a_limit_that_fits_every_answer_stops_none(jobs: list[Answer], at_once: int) -> None:
    most = float(exact([max(job.most, job.cost) for job in jobs]) + NANODOLLAR * len(jobs) * 2)
    paid, stopped = asyncio.run(run_to_the_end(jobs, SpendingLimit(most, 0.0), at_once))
    assert (len(paid), stopped) == (len(jobs), False)


async def test_amounts_that_sum_to_the_limit_exactly_all_fit() -> None:
    """As floats, 0.1 three times is more than 0.3."""
    jobs = [Answer(0.1, 0.1, 1)] * 3
    paid, stopped = await run_to_the_end(jobs, SpendingLimit(0.3, 0.0), at_once=1)
    assert (len(paid), stopped) == (3, False)


async def test_an_answer_that_waits_and_is_cancelled_takes_no_room() -> None:
    limit = SpendingLimit(1.0, 0.0)

    async def reserve() -> None:
        async with limit.reserve(0.7):
            raise AssertionError("there is no room for two")

    async with limit.reserve(0.7):
        waiting = asyncio.ensure_future(reserve())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (limit.reserved, limit.under_way) == (0, 0)


async def test_an_answer_that_is_cancelled_gives_its_room_back() -> None:
    limit = SpendingLimit(1.0, 0.0)
    began = asyncio.Event()

    async def hold() -> None:
        async with limit.reserve(0.7):
            began.set()
            await asyncio.Event().wait()

    holding = asyncio.ensure_future(hold())
    await began.wait()
    holding.cancel()
    async with limit.reserve(0.7):
        assert limit.under_way == 1


async def test_the_message_says_by_how_much_the_limit_is_exceeded() -> None:
    limit = SpendingLimit(0.5, 0.0)
    async with limit.reserve(0.5):
        limit.pay(0.75)
    over = r"limit of \$0\.5 is reached: \$0\.7500 are spent \(\$0\.2500 over it: answers cost more"
    with pytest.raises(SpendingLimitReached, match=over):
        async with limit.reserve(0.1):
            pass


@pytest.mark.parametrize("limit", [float("nan"), float("inf")])
def test_a_limit_that_is_no_amount_is_refused(limit: float) -> None:
    with pytest.raises(UsageError, match="is not an amount"):
        SpendingLimit(limit, 0.0)
