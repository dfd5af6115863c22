"""From a recipe to its graph: a node a seat, a join a layer, a node for each step behind it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import TracePolicy, omit_payload

from graphs.nested import check_nested, nested
from graphs.noted import noted
from graphs.places import Row, rows
from graphs.quiet import Quiet, is_quiet
from graphs.recipe import Recipe
from nodes.begin import begin
from nodes.chat import loops
from nodes.chat.models import offer
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

    def __init__(self, act: Act, tags: list[str] | None = None) -> None:
        """Wrap what the node does; its calls to models carry the tags."""
        self.act = act
        self.tags = tags

    def invoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the background loop, whichever loop the caller is in."""
        return loops.run(self.ainvoke(input, config))

    async def ainvoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the caller's loop, in a task of its own."""
        if self.tags:
            var_child_runnable_config.set(merge_configs(config, {"tags": self.tags}))
        return await self.act(input)


class MoaGraph(StateGraph[State, Context, Input, Output]):
    """A recipe's graph; compiled, it has a thread for each seat of its widest layer."""

    # LangGraph takes threads of the same pool to wait for tokens and to write checkpoints:
    # with none to spare a `stream` of tokens would wait for ever.
    SPARE_THREADS = 4

    def __init__(
        self, recipe: Recipe, context: type[Context] = Context, answer_only: bool = False
    ) -> None:
        """Draw the recipe, from its first question to its last step."""
        super().__init__(State, context, input_schema=Input, output_schema=Output)
        self.recipe = recipe
        self.answer_only = answer_only
        self._draw()

    def compile(
        self, *args: Any, **kwargs: Any
    ) -> CompiledStateGraph[State, Context, Input, Output]:
        """Compile as LangGraph does, as parallel in `invoke` as in `ainvoke`."""
        kwargs.setdefault("name", self.recipe.name)
        width = max(len(layer.proposers) for layer in self.recipe.layers)
        threads = width + self.SPARE_THREADS
        compiled = super().compile(*args, **kwargs)
        return (Quiet.of(compiled) if is_quiet() else compiled).with_config(
            max_concurrency=threads,
            metadata={"recipe": self.recipe.name, "recipe_version": self.recipe.version},
        )

    def _draw(self) -> None:
        self._node("begin", partial(begin, recipe=self.recipe.resolved()), role="begin")
        self.add_edge(START, "begin")
        before = "begin"
        for row in rows(self.recipe):
            before = self._steps(row, self._fan_out(row, before))
        self.add_edge(before, END)

    def _fan_out(self, row: Row, before: str) -> str:
        """The layer's seats, side by side between the node before and their join."""
        after = row.join.node
        self._node(after, partial(join, place=row.join), role="join", layer=row.number)
        for place, seat in row.seats:
            labels = {"role": "proposer", "layer": row.number, "seat": place.seat}
            self._node(place.node, partial(propose, place=place), **labels, model=seat.model)
            self.add_edge(before, place.node)
            self.add_edge(place.node, after)
        return after

    def _steps(self, row: Row, before: str) -> str:
        """The layer's steps in a row behind its join."""
        for place, step in row.steps:
            labels = {"role": "answer" if place.last else step.step, "layer": row.number}
            act = partial(STEPS[step.step], place=place)
            self._node(place.node, act, **labels, model=step.model)
            self.add_edge(before, place.node)
            before = place.node
        return before

    def _node(self, name: str, act: partial[Any], **metadata: Any) -> None:
        # A trace need not repeat the whole conversation and every answer for every node.
        policy = TracePolicy(process_inputs=omit_payload)
        unheard = self.answer_only and metadata["role"] != "answer"
        node = Node(noted(act), [TAG_NOSTREAM] if unheard else None)
        self.add_node(name, node, metadata=metadata, trace_policy=policy)


offer("moa", nested, check_nested)


def build(recipe: Recipe, context: type[Context] = Context, answer_only: bool = False) -> MoaGraph:
    """The recipe as a graph that the caller compiles, with a checkpointer of its choice.

    With `answer_only` no tokens but those of the last step are streamed, as chat pages want it.
    """
    return MoaGraph(recipe, context, answer_only)
