"""From a recipe to its graph: a node a seat, a join a layer, a node for each step behind it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs import names
from graphs.recipe import Layer, Recipe
from nodes.begin import begin
from nodes.chat import loops
from nodes.context import Context
from nodes.join import join
from nodes.propose import propose
from nodes.state import Input, Output, Place, State
from nodes.synthesize import synthesize

Act = Callable[[State], Awaitable[dict[str, Any]]]


class StepAct(Protocol):
    """What a step's file offers: a coroutine of the same name."""

    async def __call__(self, state: State, place: Place) -> dict[str, Any]:
        """Read the state, ask a model, return what is to be written."""


STEPS: dict[str, StepAct] = {"synthesize": synthesize}


class Node(Runnable[State, dict[str, Any]]):
    """One coroutine for both worlds: `invoke` hands it to the background loop."""

    def __init__(self, act: Act) -> None:
        """Wrap what the node does."""
        self.act = act

    def invoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the background loop, whichever loop the caller is in."""
        return loops.run(self.act(input))  # type: ignore[arg-type]

    async def ainvoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the caller's loop."""
        return await self.act(input)


class MoaGraph(StateGraph[State, Context, Input, Output]):
    """A recipe's graph; compiled, it has a thread for each seat of its widest layer."""

    # LangGraph takes threads of the same pool to wait for tokens and to write checkpoints:
    # with none to spare a `stream` of tokens would wait for ever.
    SPARE_THREADS = 4

    def __init__(self, recipe: Recipe) -> None:
        """Draw the recipe, from its first question to its last step."""
        super().__init__(State, Context, input_schema=Input, output_schema=Output)
        self.recipe = recipe
        self._draw()

    def compile(
        self, *args: Any, **kwargs: Any
    ) -> CompiledStateGraph[State, Context, Input, Output]:
        """Compile as LangGraph does, as parallel in `invoke` as in `ainvoke`."""
        kwargs.setdefault("name", self.recipe.name)
        width = max(len(layer.proposers) for layer in self.recipe.layers)
        threads = width + self.SPARE_THREADS
        return super().compile(*args, **kwargs).with_config(max_concurrency=threads)

    def _draw(self) -> None:
        self._node("begin", partial(begin, recipe=self.recipe.resolved()), role="begin")
        self.add_edge(START, "begin")
        before, reads = "begin", None
        for number, layer in enumerate(self.recipe.layers, 1):
            before = self._fan_out(number, layer, before, reads)
            before, chain = self._aggregate(number, layer, before)
            reads = (number, chain)
        self.add_edge(before, END)

    def _fan_out(
        self, number: int, layer: Layer, before: str, reads: tuple[int, tuple[str, ...]] | None
    ) -> str:
        """The layer's seats, side by side between the node before and their join."""
        after = names.step(number, "join")
        path = ("layers", number - 1)
        place = Place(after, path, layer=number)
        self._node(after, partial(join, place=place), role="join", layer=number)
        for index, (seat, node, proposer) in enumerate(names.seats(number, layer.proposers)):
            place = Place(node, (*path, "proposers", index), number, seat, reads)
            labels = {"role": "proposer", "layer": number, "seat": seat, "model": proposer.model}
            self._node(node, partial(propose, place=place), **labels)
            self.add_edge(before, node)
            self.add_edge(node, after)
        return after

    def _aggregate(self, number: int, layer: Layer, before: str) -> tuple[str, tuple[str, ...]]:
        """The layer's steps in a row behind its join."""
        chain: tuple[str, ...] = (before,)
        for node, step in names.steps(number, layer.aggregate):
            last = number == len(self.recipe.layers) and step is layer.aggregate[-1]
            path = ("layers", number - 1, "aggregate", layer.aggregate.index(step))
            place = Place(node, path, number, reads=(number, chain), last=last)
            labels = {"role": "answer" if last else step.step, "layer": number, "model": step.model}
            self._node(node, partial(STEPS[step.step], place=place), **labels)
            self.add_edge(before, node)
            before, chain = node, (*chain, node)
        return before, chain

    def _node(self, name: str, act: Act, **metadata: Any) -> None:
        self.add_node(name, Node(act), metadata=metadata)


def build(recipe: Recipe) -> MoaGraph:
    """The recipe as a graph that the caller compiles, with a checkpointer of its choice."""
    return MoaGraph(recipe)
