"""By how much a run has exceeded its budget, and which calls did it.

A budget stops what has not begun. What is under way can still take more than expected: a model
that ignores its length, a repeated attempt, a prompt that was longer than its estimate.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from moagraph.nodes.policies.estimate import TYPICAL
from moagraph.nodes.policies.spending import Budget, Spent, carried, spent
from moagraph.nodes.state import Json, State, calls_of_record, recipe_parts

MOST_REASONS = 5
OTHERWISE = "prompts were longer than expected"


def exceeded(state: State) -> list[Json]:
    """An entry for each limit that was exceeded: `scope`, `limit`, `allowed`, `used` and `why`."""
    recipe = state.get("recipe", {})
    if "budget" not in recipe:
        return []
    budget = Budget.model_validate(recipe["budget"])
    scopes = (("turn", budget, spent(state)), ("thread", budget.thread, carried(state)))
    return [
        {"scope": scope, "limit": limit, "allowed": allowed, "used": used, "why": why}
        for scope, most, took in scopes
        for limit, allowed, used in _over(most, took)
        if (why := _reasons(state, limit))
    ]


def exceeded_line(entry: Json) -> str:
    """The entry as a sentence."""
    by = entry["used"] - entry["allowed"]
    return (
        f"the {entry['scope']}'s budget, {entry['limit']} = {entry['allowed']:g}, is exceeded by "
        f"{by:,.6g}: {'; '.join(entry['why'])}"
    )


def _over(most: Any, took: Spent) -> Iterator[tuple[str, float, float]]:
    for field in fields(took):
        limit, used = f"max_{field.name}", getattr(took, field.name)
        allowed = getattr(most, limit)
        if allowed is not None and used > allowed:
            yield limit, allowed, round(used, 6)


def _reasons(state: State, limit: str) -> list[str]:
    """The calls that took more than they were expected to."""
    longest = _longest(state["recipe"])
    reasons = [reason for call in _calls(state) for reason in _unexpected(call, limit, longest)]
    others = len(reasons) - MOST_REASONS
    more = [f"and {others} more"] if others > 0 else []
    return [*reasons[:MOST_REASONS], *more] or [OTHERWISE]


def _unexpected(call: Json, limit: str, longest: dict[str, int]) -> Iterator[str]:
    name, most = call["model"], longest.get(call["model"], TYPICAL)
    if limit == "max_seconds":
        yield f"`{name}` took {call['seconds']:g} s"
        return
    if call["attempts"] > 1:
        yield f"`{name}` was asked {call['attempts']} times"
    written = call["output_tokens"] or 0
    if limit != "max_calls" and written > most * max(call["attempts"], 1):
        yield f"`{name}` wrote {written:,} tokens where {most:,} were expected"
    if not call["ok"] and call["attempts"]:
        yield f"`{name}` failed, and its call counts"


def _calls(state: State) -> list[Json]:
    proposals = [p for seats in state.get("layers", {}).values() for p in seats.values()]
    return [*proposals, *(call for step in state.get("steps", {}).values() for call in calls_of_record(step))]


def _longest(recipe: Json) -> dict[str, int]:
    """The longest answer of each model, as the recipe allows it."""
    said = [part for part in recipe_parts(recipe) if "model" in part]
    return {part["model"]: part.get("max_tokens") or TYPICAL for part in said}
