"""How many examples a property test tries: few by default, more where MOA_TEST_EXAMPLES says so."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

VARIABLE = "MOA_TEST_EXAMPLES"  # a factor: 20 tries twenty times as many


def examples(number: int) -> Callable[[Any], Any]:
    """A decorator that bounds a property test; the default run always tries the same examples."""
    factor = int(os.environ.get(VARIABLE, "1"))
    return settings(
        max_examples=number * factor,
        deadline=None,
        derandomize=factor == 1,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
