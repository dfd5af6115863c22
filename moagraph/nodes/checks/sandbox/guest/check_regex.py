"""Check that a regular expression matches in an answer, or does not."""

import re
from typing import Any


def check(settings: dict[str, Any], answer: str) -> str | None:
    """Search for the pattern anywhere."""
    match = re.search(settings["pattern"], answer)
    if bool(match) != bool(settings["absent"]):
        return None
    if match:
        held = f"{match[0][:100]!r}"
        return f"the answer must not hold {settings['pattern']!r}, and does: {held}"
    return f"the answer does not hold {settings['pattern']!r}"
