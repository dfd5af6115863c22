"""The systems of an evaluation: a recipe or a single model, with one way to get an answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from langchain_core.messages import AnyMessage, convert_to_messages
from pydantic import ValidationError

from moagraph.api.resume import Saver, aretry
from moagraph.evals.run.single_call import call_model
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.policies.budget import Spent, estimate
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.registry import has_property
from moagraph.threads.history import NotStarted, Thread, compile_recipe, config_of, open_thread
from moagraph.threads.prune import delete_checkpoints
from moagraph.threads.result import Result, SeatProposal, read_result
from moagraph.threads.runner import run
from moagraph.threads.snapshot import values_of


class EvaluatedSystem(Protocol):
    """A recipe or a model that answers."""

    @property
    def name(self) -> str:
        """The name that the user wrote."""

    @property
    def kind(self) -> str:
        """`recipe`, `model` or `recorded`."""

    @property
    def recipe(self) -> Json:
        """Everything that it calls, in the form of a resolved recipe."""

    def with_sampling(self, temperature: float | None, max_tokens: int | None) -> "EvaluatedSystem":
        """Return the system with a data set's settings; None leaves a setting as it is."""

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Answer a conversation; calls that an earlier try with the key completed are reused."""

    async def discard_thread(self, key: str) -> None:
        """Delete what a new try would reuse; called when the answer is stored."""


@dataclass(frozen=True)
class RecipeSystem:
    """A recipe; each answer has a thread, from which an interrupted run resumes."""

    name: str
    definition: Recipe
    threads: Saver
    keep_threads: bool = False
    kind: str = "recipe"

    @property
    def recipe(self) -> Json:
        """The resolved recipe."""
        return self.definition.resolved()

    def with_sampling(self, temperature: float | None, max_tokens: int | None) -> "RecipeSystem":
        """Set the temperature of every call that writes an answer; a recipe sets its lengths."""
        if temperature is None:
            return self
        recipe = self.definition.resolved()
        for layer in recipe["layers"]:
            writers = [step for step in layer["aggregate"] if has_property(step, "writes_answer")]
            for call in (*layer["proposers"], *writers):
                call["temperature"] = temperature
        return replace(self, definition=Recipe.model_validate(recipe))

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Run one turn in a new thread, or complete the turn of an existing one."""
        thread = await self._find_thread(key)
        if thread is None:
            graph = compile_recipe(self.definition, self.threads)
            inputs = {"messages": _to_langchain(messages)}
            return await run(graph, self.definition, inputs, config_of(key))
        if thread.state.tasks:
            return await aretry(key, self.threads)
        return read_result(
            values_of(thread.state), thread_id=key, recipe=self.name, status="done", seconds=0.0
        )

    async def discard_thread(self, key: str) -> None:
        """Delete the answer's thread, unless the run keeps threads."""
        if not self.keep_threads:
            await self._erase(key)

    async def _erase(self, key: str) -> None:
        checkpoints = [checkpoint async for checkpoint in self.threads.alist(config_of(key))]
        await asyncio.to_thread(delete_checkpoints, self.threads, key, checkpoints)

    async def _find_thread(self, key: str) -> Thread | None:
        try:
            return await open_thread(self.threads, key)
        except UnknownName:
            return None
        except NotStarted:
            await self._erase(key)
            return None


@dataclass(frozen=True)
class ModelSystem:
    """One model, called once for an answer."""

    name: str
    call: Call

    @property
    def kind(self) -> str:
        """`recorded` for answers from a file, else `model`."""
        return "recorded" if split(self.name)[0] == "recorded" else "model"

    @property
    def recipe(self) -> Json:
        """The call as the only seat of a recipe."""
        call = self.call.model_dump(mode="json", exclude_none=True)
        return {"name": self.name, "layers": [{"proposers": [call], "aggregate": []}]}

    def with_sampling(self, temperature: float | None, max_tokens: int | None) -> "ModelSystem":
        """Set the temperature and the length that the user left open."""
        settings = {"temperature": temperature, "max_tokens": max_tokens}
        update = {key: value for key, value in settings.items() if getattr(self.call, key) is None}
        return replace(self, call=self.call.model_copy(update=update))

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Call the model once."""
        conversation = _to_langchain(messages)
        question_of(conversation)
        reply = await call_model(self.call, conversation)
        record = cast(SeatProposal, {"seat": "01", "node": "L1_01", **reply.record()})
        return Result(
            thread_id="",
            recipe=self.name,
            status="done" if reply.ok else "failed",
            answer=reply.text,
            layers=[{"layer": 1, "proposals": [record]}],
            usage={
                "input_tokens": reply.input_tokens or 0,
                "output_tokens": reply.output_tokens or 0,
                "calls": reply.attempts,
            },
            cost_usd=reply.cost_usd,
            seconds=round(reply.seconds, 3),
            error=reply.error,
        )

    async def discard_thread(self, key: str) -> None:
        """Do nothing: a single call has no thread."""


def load_system(
    name: str, threads: Saver, keep_threads: bool = False, **sampling: Any
) -> EvaluatedSystem:
    """Load a recipe, or build the system of a single model.

    Args:
        name: A recipe's name or path, or `provider:model`.
        threads: Where a recipe's threads are stored.
        keep_threads: Whether the threads stay when their answers are stored.
        sampling: The `temperature` and `max_tokens` of a single model.
    """
    if not is_model(name):
        recipe = load_recipe(name)
        if any(layer.review for layer in recipe.layers):
            raise UsageError(f"`{name}` pauses for a person, and a run of many rows has none")
        return RecipeSystem(name, recipe, threads, keep_threads)
    try:
        call = Call(model=name, **sampling)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["ctx"]["error"])) from error
    check(call)
    return ModelSystem(name, call)


def is_model(name: str) -> bool:
    """Return whether the name is `provider:model`; a path may have a colon too."""
    return ":" in name and not name.endswith(".toml")


async def estimate_answer(recipe: Json, messages: Sequence[tuple[str, str]]) -> Spent:
    """Estimate the most that an answer takes.

    Args:
        recipe: The resolved recipe, with its nested recipes expanded.
        messages: The conversation.
    """
    return (await estimate(recipe, _to_langchain(messages))).all


def _to_langchain(messages: Sequence[tuple[str, str]]) -> list[AnyMessage]:
    converted: Any = convert_to_messages(list(messages))
    return list(converted)
