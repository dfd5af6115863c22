"""What a question is expected to take, before any model is asked."""

from typing import Any

from graphs.asks import inside
from graphs.recipe import Recipe
from moagraph.turn import messages_of
from nodes.budget import TYPICAL, estimate, unpriced


async def estimated(
    question: str, recipe: Recipe, system: str | None = None, outside: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Calls, tokens and dollars at most; dollars are unknown as soon as one price is."""
    said = recipe.resolved()
    taken = (await estimate(said, list(messages_of(question, system)))).all
    within = [
        await estimated(question, inner, system, (*outside, name))
        for name, inner in inside(said, outside)
    ]
    named = {f"moa:{name}" for name, _ in inside(said, outside)}
    lacking = [model for model in await unpriced(said) if model not in named]
    lacking = list(dict.fromkeys(lacking + [model for one in within for model in one["unpriced"]]))
    dollars = taken.cost_usd + sum(one["cost_usd"] or 0 for one in within)
    return {
        "recipe": recipe.name,
        "calls": recipe.calls,
        "tokens": taken.tokens + sum(one["tokens"] for one in within),
        "cost_usd": None if lacking else dollars,
        "unpriced": lacking,
        "note": f"each answer at its max_tokens, or {TYPICAL} where the recipe sets none; no retry",
    }
