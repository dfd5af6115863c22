"""The usage and the cost of a turn, from the records of its calls."""

from collections.abc import Mapping, Sequence
from typing import Any

from moagraph.nodes.state import calls_of_record


def call_records(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the record of every call in the turn: those of proposals, then those of steps."""
    proposals = [p for seats in state.get("layers", {}).values() for p in seats.values()]
    steps = [call for step in state.get("steps", {}).values() for call in calls_of_record(step)]
    return [*proposals, *steps]


def total_usage(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the tokens and calls of these records; each attempt of a call counts.

    `estimated` is only there, and true, if a provider did not report its tokens.
    """
    usage = {
        "input_tokens": sum(record["input_tokens"] or 0 for record in records),
        "output_tokens": sum(record["output_tokens"] or 0 for record in records),
        "calls": sum(record["attempts"] for record in records),
    }
    return usage | ({"estimated": True} if any(r.get("estimated") for r in records) else {})


def total_cost(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the cost of these records; None if the price of a usable answer is unknown."""
    prices = [record["cost_usd"] for record in records if record["cost_usd"] is not None]
    is_incomplete = any(record["ok"] and record["cost_usd"] is None for record in records)
    return sum(prices) if prices and not is_incomplete else None
