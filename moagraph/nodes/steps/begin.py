"""Begin a turn: check the question, the keys and the budget before anything costs money."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Any

from langgraph.types import Overwrite

from moagraph.nodes.context import run_settings
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.hooks import PrivacyBoundary, required_hook, restore_originals
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.fence import FENCE
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import ready
from moagraph.nodes.models.providers import check
from moagraph.nodes.policies.budget import check as check_budget
from moagraph.nodes.policies.spending import spent_in_thread
from moagraph.nodes.state import Json, State, model_calls, recipe_parts, widest_layer
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.step_support.registry import has_property, step_class
from moagraph.nodes.storage import answer_cache
from moagraph.prompts import PromptError, read


async def begin(state: State, recipe: Json) -> dict[str, Any]:
    """Check the turn, empty the layers of the turn before, and store the resolved recipe.

    Args:
        state: The graph's state, with the question as its last message.
        recipe: The resolved recipe that the graph was built from.
    """
    question_of(state["messages"])
    first = [Call.model_validate(_call_fields(settings)) for settings in model_calls(recipe)]
    calls = [call for own in first for call in (own, *own.substitutes)]
    prompts = await asyncio.to_thread(_check, calls, recipe)  # it reads files
    await asyncio.gather(*(ready(call, widest_layer(recipe)) for call in calls))
    resolved = {
        **with_context(recipe, run_settings()),
        "prompts": prompts,
        "salt": secrets.token_hex(16),
    }
    if recipe.get("cache", answer_cache.is_enabled()):
        await asyncio.to_thread(answer_cache.check_usable)
        resolved["cache"] = True
    if "budget" in recipe:
        before = spent_in_thread(state)
        messages = await asyncio.to_thread(restore_originals, state["messages"])
        await check_budget(resolved, messages, before)
        resolved["spent"] = asdict(before)
    resolved |= await asyncio.to_thread(_vault, state, recipe)
    return {"recipe": Overwrite(resolved), "layers": Overwrite({}), "steps": Overwrite({})}


def with_context(recipe: Json, settings: Json) -> Json:
    """Return the recipe with the caller's settings in whatever writes the answer.

    Args:
        recipe: A resolved recipe.
        settings: Sampling, tools and response format that the caller of this run set.
    """
    if not settings:
        return recipe
    *earlier, last = recipe["layers"]
    layers = [_set_in_seats(layer, settings) if _may_end(layer) else layer for layer in earlier]
    writers = [n for n, step in enumerate(last["aggregate"]) if has_property(step, "writes_answer")]
    if writers:
        steps = [
            step | (settings if n == writers[-1] else {})
            for n, step in enumerate(last["aggregate"])
        ]
        return {**recipe, "layers": [*layers, {**last, "aggregate": steps}]}
    return {**recipe, "layers": [_set_in_seats(layer, settings) for layer in recipe["layers"]]}


def _check(calls: list[Call], recipe: Json) -> dict[str, str]:
    """Check the providers and what the steps need; return the text of every prompt."""
    for call in calls:
        check(call)
    for part in recipe_parts(recipe):
        if "step" in part:
            step = step_class(part["step"])
            if step.check_ready is not Step.check_ready:
                step.model_validate(part).check_ready()
    return _prompts(recipe)


def _vault(state: State, recipe: Json) -> Json:
    """Return what the state stores of a recipe whose thread has private details."""
    is_private = any(has_property(step, "redacts") for step in recipe.get("before", ()))
    if not is_private and not state.get("recipe", {}).get("vault"):
        return {}
    boundary: PrivacyBoundary = required_hook("privacy", "a recipe that redacts")
    return boundary.enter(state, recipe)


def _may_end(layer: Json) -> bool:
    """Tell whether an answer of the layer may already be the turn's."""
    return any(has_property(step, "may_end_turn") for step in layer["aggregate"])


def _set_in_seats(layer: Json, settings: Json) -> Json:
    """Apply the caller's settings to the seats of a layer from which the answer is selected."""
    if settings.get("tools"):
        raise UsageError("this recipe picks among answers: no step of it can call tools")
    return {**layer, "proposers": [seat | settings for seat in layer["proposers"]]}


def _prompts(recipe: Json) -> dict[str, str]:
    try:
        names = {part["prompt"] for part in recipe_parts(recipe) if "prompt" in part}
        texts = {name: read(name) for name in sorted(names)}
        is_fenced = any(part.get("fence") for part in recipe_parts(recipe))
        return texts | ({FENCE: read(FENCE)} if is_fenced else {})
    except PromptError as error:
        raise RecipeError(str(error)) from error


def _call_fields(settings: Json) -> Json:
    return {key: value for key, value in settings.items() if key in Call.model_fields}
