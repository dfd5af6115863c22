"""Check that an answer is JSON and matches a schema."""

import json
from typing import Any

from moagraph.nodes.checks.sandbox.guest.code_blocks import code_blocks

MAX_COMPLAINTS = 5


def check(settings: dict[str, Any], answer: str) -> str | None:
    """Return the first violations, each with its path."""
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        value = json.loads(code_blocks(answer, "json", "jsonc")[-1], parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"the answer is not JSON: {error}"
    schema = json.loads(settings["schema"])
    registry: Any = Registry()  # of its own, so that nothing is fetched
    validator = validator_for(schema)(schema, registry=registry)
    errors = sorted(validator.iter_errors(value), key=lambda error: str(error.json_path))
    complaints = (f"{e.json_path}: {e.message[:200]}" for e in errors[:MAX_COMPLAINTS])
    return "; ".join(complaints) or None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
