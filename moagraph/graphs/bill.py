"""What a turn took: the records of its calls, and what they come to together."""

from collections.abc import Mapping
from typing import Any

from moagraph.nodes.state import asked


def bill_of(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every record of a call in the turn: proposals and steps."""
    proposals = [p for seats in state.get("layers", {}).values() for p in seats.values()]
    steps = [call for step in state.get("steps", {}).values() for call in asked(step)]
    return [*proposals, *steps]


def usage(records: list[Mapping[str, Any]]) -> dict[str, int]:
    """The tokens and the calls of these records; a retried call counts as often as it was sent.

    `estimated` is only there, and true, where a provider did not say how many tokens it took.
    """
    taken = {
        "input_tokens": sum(record["input_tokens"] or 0 for record in records),
        "output_tokens": sum(record["output_tokens"] or 0 for record in records),
        "calls": sum(record["attempts"] for record in records),
    }
    return taken | ({"estimated": True} if any(r.get("estimated") for r in records) else {})


def cost(records: list[Mapping[str, Any]]) -> float | None:
    """What the records cost together, unusable answers too; unknown as soon as a good one's is."""
    known = [record["cost_usd"] for record in records if record["cost_usd"] is not None]
    lacking = any(record["ok"] and record["cost_usd"] is None for record in records)
    return sum(known) if known and not lacking else None
