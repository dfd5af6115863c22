"""Whether a regular expression is found in an answer."""

import re
from typing import Any


def check(said: dict[str, Any], question: str, answer: str) -> str | None:
    """The pattern is searched for anywhere in it."""
    found = re.search(said["pattern"], answer)
    if bool(found) != bool(said["absent"]):
        return None
    if found:
        return f"the answer must not hold {said['pattern']!r}, and does: {found[0][:100]!r}"
    return f"the answer does not hold {said['pattern']!r}"
