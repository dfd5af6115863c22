"""A provider that decides for each call whether, and how, it goes wrong."""

import logging
from collections.abc import Callable
from typing import Any

from tests.faults import Fault
from tests.provider import Provider

# A client that hangs up while the headers are on their way is what is measured here, no mistake.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

Choose = Callable[[str], Fault]


class Flaky(Provider):
    """Like any provider, but what is not scripted is chosen by the model's name."""

    def __init__(self, choose: Choose, **said: Any) -> None:
        """Take what chooses a call's fault; `Fault()` lets it be."""
        self.choose = choose
        super().__init__(**said)

    def _next_fault(self, model: str) -> Fault:
        return self.choose(model)
