"""What a question is expected to take, before any model is asked."""

from typing import Any

from moagraph.api.ask import messages_of
from moagraph.graphs.recipe.call_count import expand_nested, max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.policies.budget import TYPICAL, estimate, unpriced


async def estimated(question: str, recipe: Recipe, system: str | None = None) -> dict[str, Any]:
    """Calls, tokens and dollars at most; dollars are unknown as soon as one price is."""
    said = expand_nested(recipe.resolved())
    taken = (await estimate(said, list(messages_of(question, system)))).all
    lacking = await unpriced(said)
    return {
        "recipe": recipe.name,
        "calls": max_calls(recipe),
        "tokens": taken.tokens,
        "cost_usd": None if lacking else taken.cost_usd,
        "unpriced": lacking,
        "note": f"each answer at its max_tokens, or {TYPICAL} where the recipe sets none; no retry",
    }
