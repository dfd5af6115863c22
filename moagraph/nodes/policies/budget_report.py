"""Report by how much a run has exceeded its budget, and which calls caused it.

A budget stops only calls that have not begun. Others can still use more than expected: a model
ignores its length, an attempt is repeated, a prompt is longer than its estimate.
"""

from collections.abc import Iterator
from dataclasses import fields

from moagraph.nodes.policies.estimate import TYPICAL
from moagraph.nodes.policies.spending import Amounts, Budget, Spent, spent_in_thread, spent_in_turn
from moagraph.nodes.state import Json, State, calls_of_record, recipe_parts

MOST_REASONS = 5
OTHERWISE = "prompts were longer than expected"


def exceeded(state: State) -> list[Json]:
    """Return an entry for each limit that was exceeded.

    Args:
        state: The state after a turn.

    Returns:
        Entries with `scope`, `limit`, `allowed`, `used` and `why`.
    """
    recipe = state.get("recipe", {})
    if "budget" not in recipe:
        return []
    budget = Budget.model_validate(recipe["budget"])
    scopes = (
        ("turn", budget, spent_in_turn(state)),
        ("thread", budget.thread, spent_in_thread(state)),
    )
    return [
        {"scope": scope, "limit": limit, "allowed": allowed, "used": used, "why": reasons}
        for scope, limits, total in scopes
        for limit, allowed, used in _over(limits, total)
        if (reasons := _reasons(state, limit))
    ]


def exceeded_line(entry: Json) -> str:
    """Return the entry as a sentence."""
    excess = entry["used"] - entry["allowed"]
    return (
        f"the {entry['scope']}'s budget, {entry['limit']} = {entry['allowed']:g}, is exceeded by "
        f"{excess:,.6g}: {'; '.join(entry['why'])}"
    )


def _over(limits: Amounts, spent: Spent) -> Iterator[tuple[str, float, float]]:
    for field in fields(spent):
        limit, used = f"max_{field.name}", getattr(spent, field.name)
        allowed = getattr(limits, limit)
        if allowed is not None and used > allowed:
            yield limit, allowed, round(used, 6)


def _reasons(state: State, limit: str) -> list[str]:
    """Return what the calls that used more than expected have done."""
    longest = _longest(state["recipe"])
    reasons = [reason for call in _calls(state) for reason in _unexpected(call, limit, longest)]
    others = len(reasons) - MOST_REASONS
    more = [f"and {others} more"] if others > 0 else []
    return [*reasons[:MOST_REASONS], *more] or [OTHERWISE]


def _unexpected(call: Json, limit: str, longest: dict[str, int]) -> Iterator[str]:
    name, expected = call["model"], longest.get(call["model"], TYPICAL)
    if limit == "max_seconds":
        yield f"`{name}` took {call['seconds']:g} s"
        return
    if call["attempts"] > 1:
        yield f"`{name}` was asked {call['attempts']} times"
    written = call["output_tokens"] or 0
    if limit != "max_calls" and written > expected * max(call["attempts"], 1):
        yield f"`{name}` wrote {written:,} tokens where {expected:,} were expected"
    if not call["ok"] and call["attempts"]:
        yield f"`{name}` failed, and its call counts"


def _calls(state: State) -> list[Json]:
    proposals = [p for seats in state.get("layers", {}).values() for p in seats.values()]
    return [
        *proposals,
        *(call for step in state.get("steps", {}).values() for call in calls_of_record(step)),
    ]


def _longest(recipe: Json) -> dict[str, int]:
    """Return the longest answer of each model that the recipe allows."""
    parts = [part for part in recipe_parts(recipe) if "model" in part]
    return {part["model"]: part.get("max_tokens") or TYPICAL for part in parts}
