"""The start of a turn: what is asked, by which recipe; refused here, it has cost nothing."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Any

from langgraph.types import Overwrite

from moagraph.nodes.policies.budget import carried
from moagraph.nodes.policies.budget import check as check_budget
from moagraph.nodes.storage import answer_cache
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import ready
from moagraph.nodes.models.providers import check
from moagraph.nodes.context import chosen
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.messages.fence import FENCE
from moagraph.nodes.hooks import find_privacy_boundary, restore_originals
from moagraph.nodes.state import Json, State, model_calls, recipe_parts, widest_layer
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.step_support.registry import has_property, step_class
from moagraph.prompts import PromptError, read


async def begin(state: State, recipe: Json) -> dict[str, Any]:
    """Check the question, the keys and the engine, empty the layers, keep the resolved recipe."""
    question_of(state["messages"])
    first = [Call.model_validate(_only_call(said)) for said in model_calls(recipe)]
    asked = [call for one in first for call in (one, *one.substitutes)]
    prompts = await asyncio.to_thread(_checked, asked, recipe)  # it reads the disk
    await asyncio.gather(*(ready(call, widest_layer(recipe)) for call in asked))
    resolved = {**with_context(recipe, chosen()), "prompts": prompts, "salt": secrets.token_hex(16)}
    if recipe.get("cache", answer_cache.wanted()):
        await asyncio.to_thread(answer_cache.ready)
        resolved["cache"] = True
    if "budget" in recipe:
        before = carried(state)
        messages = await asyncio.to_thread(restore_originals, state["messages"])
        await check_budget(resolved, messages, before)
        resolved["spent"] = asdict(before)
    resolved |= await asyncio.to_thread(_vault, state, recipe)
    return {"recipe": Overwrite(resolved), "layers": Overwrite({}), "steps": Overwrite({})}


def _checked(asked: list[Call], recipe: Json) -> dict[str, str]:
    for call in asked:
        check(call)
    for part in recipe_parts(recipe):
        if "step" in part:
            step = step_class(part["step"])
            if step.check_ready is not Step.check_ready:
                step.model_validate(part).check_ready()
    return _prompts(recipe)


def _vault(state: State, recipe: Json) -> Json:
    """Return what the state stores of a recipe whose thread has private details."""
    boundary = find_privacy_boundary()
    return boundary.enter(state, recipe) if boundary else {}


def with_context(recipe: Json, said: Json) -> Json:
    """The recipe with what writes the answer as the caller of this run wants it."""
    if not said:
        return recipe
    *ahead, last = recipe["layers"]
    layers = [_seated(layer, said) if _may_end(layer) else layer for layer in ahead]
    writes = [has_property(step, "writes_answer") for step in last["aggregate"]]
    if any(writes):
        index = len(writes) - 1 - writes[::-1].index(True)
        steps = [step | (said if i == index else {}) for i, step in enumerate(last["aggregate"])]
        return {**recipe, "layers": [*layers, {**last, "aggregate": steps}]}
    return {**recipe, "layers": [_seated(layer, said) for layer in recipe["layers"]]}


def _may_end(layer: Json) -> bool:
    """Whether an answer of the layer may already be the turn's."""
    return any(has_property(step, "may_end_turn") for step in layer["aggregate"])


def _seated(layer: Json, said: Json) -> Json:
    """The layer whose answers may be the turn's own: no step writes another."""
    if said.get("tools"):
        raise UsageError("this recipe picks among answers: no step of it can call tools")
    return {**layer, "proposers": [seat | said for seat in layer["proposers"]]}


def _prompts(recipe: Json) -> dict[str, str]:
    try:
        prompts = {said["prompt"] for said in recipe_parts(recipe) if "prompt" in said}
        kept = {prompt: read(prompt) for prompt in sorted(prompts)}
        fenced = any(said.get("fence") for said in recipe_parts(recipe))
        return kept | ({FENCE: read(FENCE)} if fenced else {})
    except PromptError as error:
        raise RecipeError(str(error)) from error


def _only_call(said: Json) -> Json:
    return {key: value for key, value in said.items() if key in Call.model_fields}
