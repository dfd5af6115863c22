"""A spending limit over many answers: no answer begins that could exceed it.

Amounts are whole nanodollars. Adding and subtracting the same floats in another order leaves a
rest that is not zero, and a run that waits for zero then never ends.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from moagraph.nodes.errors import OverBudget, RunError, UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.policies.budget import unpriced
from moagraph.nodes.state import Json

FREE = {"local", "recorded", "scripted"}  # they run in this process and have no price
NANODOLLARS = 10**9


class SpendingLimitReached(RunError):
    """The limit is reached; the rest can run with a higher one."""


class SpendingLimit:
    """What has been spent, and the most that answers under way may still cost.

    An answer begins only if the spent and the reserved amounts leave room for its expected
    maximum. The limit is therefore exceeded by no more than what the answers that were under way
    cost beyond their expected maximum (an underestimated prompt, a repeated call).
    """

    def __init__(self, limit_usd: float | None, spent_usd: float) -> None:
        """Start from what the results so far have cost.

        Args:
            limit_usd: The most that all results may cost together; None means no limit.
            spent_usd: What the results that exist have cost.
        """
        if limit_usd is not None and not math.isfinite(limit_usd):
            raise UsageError(f"a spending limit of {limit_usd} is not an amount: give dollars")
        self.limit = None if limit_usd is None else nanodollars(limit_usd)
        self.spent, self.reserved, self.under_way = nanodollars(spent_usd), 0, 0
        self._released = asyncio.Event()

    @asynccontextmanager
    async def reserve(self, most_usd: float) -> AsyncIterator[None]:
        """Hold back an answer's expected maximum until the answer has been paid.

        Waits while answers under way hold the room that this one needs.

        Raises:
            SpendingLimitReached: No answer is under way and there still is no room.
        """
        if self.limit is None:
            yield
            return
        most = nanodollars(most_usd)
        while self.spent + self.reserved + most > self.limit:
            if not self.under_way:
                raise SpendingLimitReached(self._message(most))
            await self._released.wait()
        self.reserved += most
        self.under_way += 1
        try:
            yield
        finally:  # without an await: nothing can interrupt it
            self.reserved -= most
            self.under_way -= 1
            self._wake_waiting()

    def pay(self, cost_usd: float) -> None:
        """Add what an answer has cost."""
        self.spent += nanodollars(cost_usd)

    def _wake_waiting(self) -> None:
        released, self._released = self._released, asyncio.Event()
        released.set()

    def _message(self, most: int) -> str:
        limit, spent = Decimal(self.limit or 0) / NANODOLLARS, self.spent / NANODOLLARS
        over = (self.spent - (self.limit or 0)) / NANODOLLARS
        more = f" (${over:.4f} over it: answers cost more than expected)" if over > 0 else ""
        return (
            f"the limit of ${limit.normalize():f} is reached: ${spent:.4f} are spent{more}, "
            f"and the next answer may cost ${most / NANODOLLARS:.4f}"
        )


def nanodollars(amount_usd: float) -> int:
    """The amount in whole nanodollars; a token of the cheapest models costs about ten."""
    return round(Decimal(repr(float(amount_usd))) * NANODOLLARS)


async def check_prices(whole: Json) -> None:
    """Refuse a limit that cannot be enforced because the price of a model is not known.

    Args:
        whole: The unfolded recipe, which lists the recipes in its seats beside them.
    """
    lacking = [model for model in await unpriced(whole) if split(model)[0] not in FREE]
    if lacking:
        raise OverBudget(
            f"--max-cost-usd cannot be held: the price of `{lacking[0]}` is not known; "
            "say it in a recipe, as in price = { input = 0.5, output = 1.5 }"
        )
