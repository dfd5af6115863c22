"""A spending limit that holds: nothing is begun that could break it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from moagraph.nodes.errors import OverBudget, RunError
from moagraph.nodes.models.address import split
from moagraph.nodes.policies.budget import unpriced
from moagraph.nodes.state import Json

FREE = {"local", "recorded", "scripted"}  # they run in this process and have no price


class Spent(RunError):
    """The limit is reached; what is left can be run with a higher one."""


class Purse:
    """What may still be spent; calls that are under way are counted at the most they can cost."""

    def __init__(self, limit: float | None, spent: float) -> None:
        """Begin where the results so far have left it."""
        self.limit, self.spent, self.reserved = limit, spent, 0.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def open(self, most: float) -> AsyncIterator[None]:
        """Wait until so much is free, or refuse where nothing under way can set it free."""
        if self.limit is None:
            yield
            return
        async with self._changed:
            while self.spent + self.reserved + most > self.limit:
                if not self.reserved:
                    raise Spent(self._told(most))
                await self._changed.wait()
            self.reserved += most
        try:
            yield
        finally:
            async with self._changed:
                self.reserved = max(0.0, self.reserved - most)
                self._changed.notify_all()

    def pay(self, dollars: float) -> None:
        """Take what an answer has cost."""
        self.spent += dollars

    def _told(self, most: float) -> str:
        return (
            f"the limit of ${self.limit:g} is reached: ${self.spent:.4f} are spent, "
            f"and the next answer may cost ${most:.4f}"
        )


async def check_prices(whole: Json) -> None:
    """Refuse a limit that nobody can hold: the price of a model is not known.

    The recipe is unfolded: those in its seats are told beside them.
    """
    lacking = [model for model in await unpriced(whole) if split(model)[0] not in FREE]
    if lacking:
        raise OverBudget(
            f"--max-cost-usd cannot be held: the price of `{lacking[0]}` is not known; "
            "say it in a recipe, as in price = { input = 0.5, output = 1.5 }"
        )
