"""Whether an answer is JSON of a schema."""

import json
from typing import Any

from moagraph.nodes.checks.block import blocks

MOST = 5  # complaints that are told


def check(said: dict[str, Any], question: str, answer: str) -> str | None:
    """The first things that are wrong with it, each with its place."""
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        value = json.loads(blocks(answer, "json", "jsonc")[-1], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return f"the answer is not JSON: {error}"
    schema = json.loads(said["schema"])
    registry: Any = Registry()  # of its own, so that nothing is fetched
    validator = validator_for(schema)(schema, registry=registry)
    wrong = sorted(validator.iter_errors(value), key=lambda error: str(error.json_path))
    return "; ".join(f"{e.json_path}: {e.message[:200]}" for e in wrong[:MOST]) or None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
