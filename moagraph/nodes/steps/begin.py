"""The start of a turn: what is asked, by which recipe; refused here, it has cost nothing."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Any

from langgraph.types import Overwrite

from moagraph.nodes.policies.budget import check as check_budget
from moagraph.nodes.policies.estimate import WRITES
from moagraph.nodes.policies.spending import carried
from moagraph.nodes.storage import answer_cache
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import ready
from moagraph.nodes.models.providers import check
from moagraph.nodes.context import chosen
from moagraph.nodes.messages.compose import question
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.messages.fence import FENCE
from moagraph.nodes.knowledge.sources import found
from moagraph.nodes.privacy.boundary import entered, everywhere
from moagraph.nodes.state import Json, State, calls, parts, widest
from moagraph.prompts import PromptError, read


async def begin(state: State, recipe: Json) -> dict[str, Any]:
    """Check the question, the keys and the engine, empty the layers, keep the resolved recipe."""
    question(state["messages"])
    first = [Call.model_validate(_only_call(said)) for said in calls(recipe)]
    asked = [call for one in first for call in (one, *one.substitutes)]
    prompts = await asyncio.to_thread(_checked, asked, recipe)  # it reads the disk
    await asyncio.gather(*(ready(call, widest(recipe)) for call in asked))
    resolved = {**as_chosen(recipe, chosen()), "prompts": prompts, "salt": secrets.token_hex(16)}
    if recipe.get("cache", answer_cache.wanted()):
        await asyncio.to_thread(answer_cache.ready)
        resolved["cache"] = True
    if "budget" in recipe:
        before = carried(state)
        said = await asyncio.to_thread(everywhere, state["messages"])
        await check_budget(resolved, said, before)
        resolved["spent"] = asdict(before)
    resolved |= await asyncio.to_thread(entered, state, recipe)
    return {"recipe": Overwrite(resolved), "layers": Overwrite({}), "steps": Overwrite({})}


def _checked(asked: list[Call], recipe: Json) -> dict[str, str]:
    for call in asked:
        check(call)
    for part in parts(recipe):
        if "source" in part:
            found(part["source"])
    return _prompts(recipe)


def as_chosen(recipe: Json, said: Json) -> Json:
    """The recipe with what writes the answer as the caller of this run wants it."""
    if not said:
        return recipe
    *ahead, last = recipe["layers"]
    layers = [_seated(layer, said) if _may_end(layer) else layer for layer in ahead]
    writes = [step["step"] in WRITES for step in last["aggregate"]]
    if any(writes):
        index = len(writes) - 1 - writes[::-1].index(True)
        steps = [step | (said if i == index else {}) for i, step in enumerate(last["aggregate"])]
        return {**recipe, "layers": [*layers, {**last, "aggregate": steps}]}
    return {**recipe, "layers": [_seated(layer, said) for layer in recipe["layers"]]}


def _may_end(layer: Json) -> bool:
    """Whether an answer of the layer may already be the turn's."""
    return any(step["step"] == "gate" for step in layer["aggregate"])


def _seated(layer: Json, said: Json) -> Json:
    """The layer whose answers may be the turn's own: no step writes another."""
    if said.get("tools"):
        raise UsageError("this recipe picks among answers: no step of it can call tools")
    return {**layer, "proposers": [seat | said for seat in layer["proposers"]]}


def _prompts(recipe: Json) -> dict[str, str]:
    try:
        prompts = {said["prompt"] for said in parts(recipe) if "prompt" in said}
        kept = {prompt: read(prompt) for prompt in sorted(prompts)}
        fenced = any(said.get("fence") for said in parts(recipe))
        return kept | ({FENCE: read(FENCE)} if fenced else {})
    except PromptError as error:
        raise RecipeError(str(error)) from error


def _only_call(said: Json) -> Json:
    return {key: value for key, value in said.items() if key in Call.model_fields}
