"""What is evaluated: a recipe or a single model, and the one way to get an answer out of either."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from langchain_core.messages import AnyMessage, convert_to_messages
from pydantic import ValidationError

from moagraph.api.resume import Saver, aretry
from moagraph.evals.run.single_call import ask_alone
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
from moagraph.threads.history import NotBegun, Thread, compiled, config_of, opened
from moagraph.threads.prune import erase
from moagraph.threads.result import Result, result
from moagraph.threads.runner import run
from moagraph.threads.snapshot import values_of


class System(Protocol):
    """Whatever answers."""

    @property
    def name(self) -> str:
        """As it was asked for."""

    @property
    def kind(self) -> str:
        """`recipe`, `model` or `recorded`."""

    def at(self, temperature: float | None, max_tokens: int | None) -> "System":
        """The same as a data set wants it asked."""

    @property
    def recipe(self) -> Json:
        """Everything that it asks, in the form of a resolved recipe."""

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Hold the conversation's last turn; what an earlier try has kept is not asked again."""

    async def forget(self, key: str) -> None:
        """The answer is written: whatever was kept in case of a crash has served."""


@dataclass(frozen=True)
class Mixture:
    """A recipe; an answer that is cut off goes on where its thread stands."""

    name: str
    said: Recipe
    threads: Saver
    keep: bool = False
    kind: str = "recipe"

    def at(self, temperature: float | None, max_tokens: int | None) -> "Mixture":
        """At that temperature whoever writes an answer; its lengths are its own."""
        if temperature is None:
            return self
        told = self.said.resolved()
        for layer in told["layers"]:
            writing = [step for step in layer["aggregate"] if has_property(step, "writes_answer")]
            for call in (*layer["proposers"], *writing):
                call["temperature"] = temperature
        return replace(self, said=Recipe.model_validate(told))

    @property
    def recipe(self) -> Json:
        """The recipe as it runs."""
        return self.said.resolved()

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Run one turn in a thread of its own, which is forgotten once it is done."""
        thread = await self._standing(key)
        if thread is None:
            graph, given = compiled(self.said, self.threads), {"messages": _said(messages)}
            return await run(graph, self.said, given, config_of(key))
        if thread.state.tasks:
            return await aretry(key, self.threads)
        return result(
            values_of(thread.state), thread_id=key, recipe=self.name, status="done", seconds=0.0
        )

    async def forget(self, key: str) -> None:
        """Its thread has served."""
        if not self.keep:
            await self._erase(key)

    async def _erase(self, key: str) -> None:
        tuples = [one async for one in self.threads.alist(config_of(key))]
        await asyncio.to_thread(erase, self.threads, key, tuples)

    async def _standing(self, key: str) -> Thread | None:
        try:
            return await opened(self.threads, key)
        except UnknownName:
            return None
        except NotBegun:
            await self._erase(key)
            return None


@dataclass(frozen=True)
class Model:
    """One model alone: a recipe of one seat, whose answer is the answer."""

    name: str
    call: Call

    @property
    def kind(self) -> str:
        """Whether somebody is asked, or what was said before is looked up."""
        return "recorded" if split(self.name)[0] == "recorded" else "model"

    def at(self, temperature: float | None, max_tokens: int | None) -> "Model":
        """At that temperature and with that length, where nothing else was said."""
        said = {"temperature": temperature, "max_tokens": max_tokens}
        open_ = {key: value for key, value in said.items() if getattr(self.call, key) is None}
        return replace(self, call=self.call.model_copy(update=open_))

    @property
    def recipe(self) -> Json:
        """The one seat."""
        call = self.call.model_dump(mode="json", exclude_none=True)
        return {"name": self.name, "layers": [{"proposers": [call], "aggregate": []}]}

    async def answer(self, messages: Sequence[tuple[str, str]], key: str) -> Result:
        """Ask it once."""
        said = _said(messages)
        question_of(said)
        reply = await ask_alone(self.call, said)
        record: Json = {"seat": "01", "node": "L1_01", **reply.record()}
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

    async def forget(self, key: str) -> None:
        """One call leaves nothing half done."""


def system(name: str, threads: Saver, keep: bool = False, **sampling: Any) -> System:
    """The recipe of that name or path, or the model `provider:model`."""
    if not is_model(name):
        said = load_recipe(name)
        if any(layer.review for layer in said.layers):
            raise UsageError(f"`{name}` pauses for a person, which nobody here can answer")
        return Mixture(name, said, threads, keep)
    try:
        call = Call(model=name, **sampling)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["ctx"]["error"])) from error
    check(call)
    return Model(name, call)


def is_model(name: str) -> bool:
    """Whether it is `provider:model`; a path may hold a colon too."""
    return ":" in name and not name.endswith(".toml")


async def expected(whole: Json, messages: Sequence[tuple[str, str]]) -> Spent:
    """The most that an answer of the unfolded recipe is expected to take."""
    return (await estimate(whole, _said(messages))).all


def _said(messages: Sequence[tuple[str, str]]) -> list[AnyMessage]:
    found: Any = convert_to_messages(list(messages))
    return list(found)
