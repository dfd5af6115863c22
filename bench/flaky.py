"""A provider with a random fault for each call."""

import logging
from collections.abc import Callable
from typing import Any

from tests.faults import Fault
from tests.provider import Provider

# Clients that disconnect early are part of the measurement, not an error worth a log line.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

Choose = Callable[[str], Fault]


class Flaky(Provider):
    """A provider that chooses the fault of an unscripted call by the model's name."""

    def __init__(self, choose: Choose, **options: Any) -> None:
        """Take the function that chooses a call's fault; `Fault()` means no fault."""
        self.choose = choose
        super().__init__(**options)

    def _next_fault(self, model: str) -> Fault:
        return self.choose(model)
