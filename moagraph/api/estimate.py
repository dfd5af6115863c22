"""What a question is expected to take, before any model is asked."""

from typing import Any

from moagraph.api.ask import messages_of
from moagraph.graphs.recipe.call_count import expand_nested, max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.policies.budget import TYPICAL, estimate, unpriced


async def estimate_turn(question: str, recipe: Recipe, system: str | None = None) -> dict[str, Any]:
    """Calls, tokens and dollars at most; dollars are unknown as soon as one price is."""
    resolved = expand_nested(recipe.resolved())
    total = (await estimate(resolved, list(messages_of(question, system)))).all
    missing = await unpriced(resolved)
    return {
        "recipe": recipe.name,
        "calls": max_calls(recipe),
        "tokens": total.tokens,
        "cost_usd": None if missing else total.cost_usd,
        "unpriced": missing,
        "note": f"each answer at its max_tokens, or {TYPICAL} where the recipe sets none; no retry",
    }
