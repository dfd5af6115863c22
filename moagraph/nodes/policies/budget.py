"""Keep a turn within its budget: a run that would exceed it shrinks, and still answers.

Estimates assume the longest answer that a recipe allows, so that actual use stays below them.
Whole layers after the first are left out before seats of the first; the last steps always run.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata

from moagraph.nodes.errors import OverBudget
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.prices import MILLION, price_of
from moagraph.nodes.policies.estimate import TYPICAL as TYPICAL
from moagraph.nodes.policies.estimate import estimate as estimate
from moagraph.nodes.policies.estimate import unpriced as unpriced
from moagraph.nodes.policies.spending import FAILED, broken_limit, spent_in_turn, sum_records, total
from moagraph.nodes.policies.spending import Amounts as Amounts
from moagraph.nodes.policies.spending import Budget as Budget
from moagraph.nodes.policies.spending import Spent as Spent
from moagraph.nodes.state import Json, State, unrouted_seats

C = TypeVar("C", bound=Call)

MILLION_OUTPUT_TOKENS = UsageMetadata(input_tokens=0, output_tokens=MILLION, total_tokens=MILLION)


async def check(recipe: Json, messages: list[AnyMessage], before: Spent) -> None:
    """Refuse a turn if not even its last step fits the budget, or if a price is unknown.

    Args:
        recipe: The resolved recipe.
        messages: The conversation with the new question.
        before: What the earlier turns of the thread have used.
    """
    if "budget" not in recipe:
        return
    await _check_prices(recipe)
    expected = await estimate(recipe, messages)
    if limit := broken_limit(recipe, expected.last, before):
        raise OverBudget(f"not even the last step fits {limit}: raise it, or use a cheaper model")


async def affordable_seats(state: State, layer: int) -> tuple[int, str | None]:
    """Return how many of a layer's seats the budget allows together with the last steps.

    Args:
        state: The state before the layer.
        layer: The layer's number.

    Returns:
        The number of seats, and the limit that allows no more; None if all fit.
    """
    recipe = state["recipe"]
    proposers = recipe["layers"][layer - 1]["proposers"]
    unrouted = {int(seat) - 1 for seat in unrouted_seats(state, layer)}
    seats = len(proposers) - len(unrouted)
    if "budget" not in recipe:
        return seats, None
    expected = await estimate(recipe, state["messages"])
    fixed = spent_in_turn(state) + total(expected.steps[layer - 1 : layer]) + expected.last
    fixed += Spent(seconds=2 * _slowest(state))  # the layer, and the last steps
    routed = [cost for n, cost in enumerate(expected.seats[layer - 1]) if n not in unrouted]
    limit = None
    for number in range(seats, 0, -1 if layer == 1 else -seats):
        broken = broken_limit(recipe, fixed + total(routed[:number]), _earlier_turns(state))
        if broken is None:
            return number, limit
        limit = broken
    return 0, limit


def limit_call(state: State, call: C, concurrent: int = 1, remaining: int = 0) -> C:
    """Return the call with no more time, attempts and tokens than the budget has left.

    Args:
        state: What the turn has used so far, and its budget.
        call: The call that is about to be made.
        concurrent: How many calls start at once, this one included.
        remaining: How many calls follow in any case.
    """
    budget = Budget.model_validate(state["recipe"].get("budget", {}))
    used, changes = spent_in_turn(state), dict[str, Any]()
    _check_retry(state, used)
    if budget.max_seconds is not None:
        seconds = max(budget.max_seconds - used.seconds, 1.0)
        changes["timeout"] = min(call.timeout, seconds / 2 if remaining else seconds)
    if budget.max_calls is not None:
        extra = max(0, budget.max_calls - used.calls - concurrent - remaining) // concurrent
        changes["attempts"] = min(call.attempts, 1 + extra)
        changes["fallbacks"] = call.fallbacks[:extra]
    limited = call.model_copy(update=changes) if changes else call
    tokens = _tokens_left(state, budget, call)
    if tokens is None:
        return limited
    return limited.with_share(max(0, tokens // (2 if remaining else 1) // concurrent))


def is_last_affordable(state: State, records: Sequence[Json]) -> bool:
    """Return whether the budget allows a step one more call, but not two.

    Args:
        state: The state before the step.
        records: The records of the calls that the step has made.
    """
    if not records or "budget" not in state["recipe"]:
        return False
    # The next calls are assumed to cost as much as the last one.
    calls = total(sum_records([record]) for record in (*records, records[-1], records[-1]))
    used = spent_in_turn(state) + calls
    return broken_limit(state["recipe"], used, _earlier_turns(state)) is not None


def _check_retry(state: State, used: Spent) -> None:
    """Refuse to repeat a step if its failed calls have used up the budget."""
    if FAILED.get().calls:
        limit = broken_limit(state["recipe"], used + Spent(calls=1), _earlier_turns(state))
        if limit:
            raise OverBudget(f"another try would break {limit}: replay the turn with a higher one")


def _tokens_left(state: State, budget: Budget, call: Call) -> int | None:
    """Return the output tokens that the budgets of turn and thread leave for such a call."""
    in_turn = spent_in_turn(state)
    in_thread = in_turn + _earlier_turns(state)
    tokens: list[float] = []
    for limits, used in ((budget, in_turn), (budget.thread, in_thread)):
        if limits.max_tokens is not None:
            tokens.append(limits.max_tokens - used.tokens)
        if limits.max_cost_usd is not None:
            price = price_of(call, MILLION_OUTPUT_TOKENS)
            if price:
                tokens.append((limits.max_cost_usd - used.cost_usd) / price * MILLION)
    return int(min(tokens)) if tokens else None


async def _check_prices(recipe: Json) -> None:
    budget = Budget.model_validate(recipe["budget"])
    if budget.max_cost_usd is None and budget.thread.max_cost_usd is None:
        return
    if missing := await unpriced(recipe):
        raise OverBudget(
            f"max_cost_usd cannot be held: the price of `{missing[0]}` is not known; "
            "say it, as in price = { input = 0.5, output = 1.5 }"
        )


def _earlier_turns(state: State) -> Spent:
    return Spent(**state["recipe"].get("spent", {}))


def _slowest(state: State) -> float:
    layers = state.get("layers", {}).values()
    return max((p["seconds"] for seats in layers for p in seats.values()), default=0.0)
