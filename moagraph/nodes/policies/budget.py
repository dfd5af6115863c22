"""What a turn may cost: a run that would cost more shrinks, and still answers.

Estimates take the longest answer that a recipe allows, so that what ran stays below them. Whole
layers behind the first are left out before seats of the first are; the last steps always stay.
"""

from typing import Any, TypeVar

from collections.abc import Sequence

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata

from moagraph.nodes.errors import OverBudget
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.prices import MILLION, price_of
from moagraph.nodes.policies.estimate import TYPICAL as TYPICAL
from moagraph.nodes.policies.estimate import estimate as estimate
from moagraph.nodes.policies.estimate import unpriced as unpriced
from moagraph.nodes.policies.spending import FAILED, broken, spent, taken, total
from moagraph.nodes.policies.spending import Amounts as Amounts
from moagraph.nodes.policies.spending import Budget as Budget
from moagraph.nodes.policies.spending import Spent as Spent
from moagraph.nodes.policies.spending import carried as carried
from moagraph.nodes.state import Json, State, unrouted_seats

C = TypeVar("C", bound=Call)

WRITTEN = UsageMetadata(input_tokens=0, output_tokens=MILLION, total_tokens=MILLION)


async def check(recipe: Json, messages: list[AnyMessage], before: Spent) -> None:
    """Refuse a turn of which not even the last step fits, or whose price cannot be known."""
    if "budget" not in recipe:
        return
    await _check_prices(recipe)
    expected = await estimate(recipe, messages)
    if why := broken(recipe, expected.last, before):
        raise OverBudget(f"not even the last step fits {why}: raise it, or use a cheaper model")


async def room(state: State, layer: int) -> tuple[int, str | None]:
    """How many of the layer's seats fit beside the last steps, and why no more do."""
    recipe = state["recipe"]
    proposers = recipe["layers"][layer - 1]["proposers"]
    others = {int(seat) - 1 for seat in unrouted_seats(state, layer)}
    seats = len(proposers) - len(others)
    if "budget" not in recipe:
        return seats, None
    expected = await estimate(recipe, state["messages"])
    now, before = spent(state), Spent(**recipe.get("spent", {}))
    fixed = now + total(expected.steps[layer - 1 : layer]) + expected.last
    fixed += Spent(seconds=2 * _slowest(state))  # the layer, and the last steps
    why = None
    for number in range(seats, 0, -1 if layer == 1 else -seats):
        asked_ = [one for n, one in enumerate(expected.seats[layer - 1]) if n not in others]
        broke = broken(recipe, fixed + total(asked_[:number]), before)
        if broke is None:
            return number, why
        why = broke
    return 0, why


def within(state: State, call: C, beside: int = 1, behind: int = 0) -> C:
    """The call with no more time, attempts and tokens than the budget has left for it.

    Args:
        state: What the turn has taken so far, and its budget.
        call: What is about to be asked.
        beside: How many calls start at once, this one included.
        behind: How many calls follow in any case.
    """
    said = Budget.model_validate(state["recipe"].get("budget", {}))
    now, changes = spent(state), dict[str, Any]()
    _check_retry(state, now)
    if said.max_seconds is not None:
        left = max(said.max_seconds - now.seconds, 1.0)
        changes["timeout"] = min(call.timeout, left / 2 if behind else left)
    if said.max_calls is not None:
        more = max(0, said.max_calls - now.calls - beside - behind) // beside
        changes["attempts"] = min(call.attempts, 1 + more)
        changes["fallbacks"] = call.fallbacks[:more]
    allowed = call.model_copy(update=changes) if changes else call
    tokens = _tokens_left(state, said, call)
    if tokens is None:
        return allowed
    return allowed.with_share(max(0, tokens // (2 if behind else 1) // beside))


def _check_retry(state: State, now: Spent) -> None:
    """Refuse to repeat a step that failed where its calls so far have used up the budget."""
    if FAILED.get().calls:
        before = Spent(**state["recipe"].get("spent", {}))
        if why := broken(state["recipe"], now + Spent(calls=1), before):
            raise OverBudget(f"another try would break {why}: replay the turn with a higher one")


def _tokens_left(state: State, said: Budget, call: Call) -> int | None:
    """The tokens that the budgets of the turn and of its thread leave for answers like this."""
    now = spent(state)
    both = now + Spent(**state["recipe"].get("spent", {}))
    left: list[float] = []
    for most, took in ((said, now), (said.thread, both)):
        if most.max_tokens is not None:
            left.append(most.max_tokens - took.tokens)
        if most.max_cost_usd is not None:
            million = price_of(call, WRITTEN)
            if million:
                left.append((most.max_cost_usd - took.cost_usd) / million * MILLION)
    return int(min(left)) if left else None


def closing(state: State, made: Sequence[Json]) -> bool:
    """Whether one more call beside those a step has made, and no second, is in the budget."""
    if not made or "budget" not in state["recipe"]:
        return False
    more = spent(state) + total(taken([record]) for record in (*made, made[-1], made[-1]))
    return broken(state["recipe"], more, Spent(**state["recipe"].get("spent", {}))) is not None


async def _check_prices(recipe: Json) -> None:
    said = Budget.model_validate(recipe["budget"])
    if said.max_cost_usd is None and said.thread.max_cost_usd is None:
        return
    if lacking := await unpriced(recipe):
        raise OverBudget(
            f"max_cost_usd cannot be held: the price of `{lacking[0]}` is not known; "
            "say it, as in price = { input = 0.5, output = 1.5 }"
        )


def _slowest(state: State) -> float:
    layers = state.get("layers", {}).values()
    return max((p["seconds"] for seats in layers for p in seats.values()), default=0.0)


