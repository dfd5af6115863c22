"""From a recipe to its graph: a node a seat, a join a layer, a node for each step behind it."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from itertools import pairwise, product
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import TracePolicy, omit_payload

from moagraph.nodes.step_support.registry import ACTS
from moagraph.graphs.nested_recipe import check_nested, nested
from moagraph.graphs.compile.answer_check import check_answer
from moagraph.graphs.compile.failed_calls import BEGIN, Counted, count_for
from moagraph.graphs.compile.trace_metadata import noted
from moagraph.graphs.compile.layout import Row, Told, before, rows
from moagraph.graphs.compile.private_graph import Private
from moagraph.graphs.compile.trace_redaction import Quiet, is_quiet
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.steps.begin import begin
from moagraph.nodes.models import event_loops
from moagraph.nodes.models.factory import offer
from moagraph.nodes.models.recorded import check_recorded, recorded
from moagraph.nodes.context import Context
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.steps.join import join
from moagraph.nodes.privacy.boundary import guarded, is_private
from moagraph.nodes.steps.propose import propose
from moagraph.nodes.state import Input, Output, State, settled

SETTLED = "settled"

Act = Callable[[State], Awaitable[dict[str, Any]]]


class Node(Runnable[State, dict[str, Any]]):
    """One coroutine for both worlds: `invoke` hands it to the background loop."""

    def __init__(self, named: str, act: Act, tags: list[str] | None = None) -> None:
        """Wrap what the node of that name does; its calls to models carry the tags."""
        self.named = named
        self.act = act
        self.tags = tags

    def invoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the background loop, whichever loop the caller is in."""
        return event_loops.run(self.ainvoke(input, config))

    async def ainvoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> dict[str, Any]:
        """Run on the caller's loop, in a task of its own."""
        if self.tags:
            var_child_runnable_config.set(merge_configs(config, {"tags": self.tags}))
        failed_calls = count_for(self.named, config)
        try:
            written = check_answer(self.named, await self.act(input))
        except StepFailed as failed:
            failed.node = self.named
            raise
        if failed_calls and self.named == BEGIN:
            failed_calls.counted = True
        return written


class Way(Runnable[State, list[str]]):
    """Which nodes come behind one that may have settled the turn."""

    def __init__(self, node: str, on: list[str]) -> None:
        """Where it goes on, as long as nothing is settled."""
        self.node, self.on = node, on
        self.name = f"{node}_way"

    def invoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> list[str]:
        """Look at what the node has left."""
        return [SETTLED] if settled(input, self.node) else self.on

    async def ainvoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> list[str]:
        """Look at once: no thread is needed for it."""
        return self.invoke(input)


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
        if is_private(self.recipe.resolved()):
            compiled = Private.of(compiled)
        elif is_quiet():
            compiled = Quiet.of(compiled)
        elif self.recipe.budget:
            compiled = Counted.of(compiled)
        return compiled.with_config(
            max_concurrency=threads,
            metadata={"recipe": self.recipe.name, "recipe_version": self.recipe.version},
        )

    def _draw(self) -> None:
        """Stage after stage: nodes side by side, each led to by all of the stage before."""
        self._node("begin", partial(begin, recipe=self.recipe.resolved()), role="begin")
        stages, exits = [["begin"]], dict[str, str]()
        stages += [[self._step(told)] for told in before(self.recipe)]
        for row in rows(self.recipe):
            stages += [self._seats(row), [self._join(row)]]
            stages += [[self._step(told)] for told in row.steps]
            exits |= row.exits
        for here, there in pairwise([[START], *stages, [END]]):
            self._lead(here, there, exits)

    def _seats(self, row: Row) -> list[str]:
        for place, seat in row.seats:
            labels = {"role": "proposer", "layer": row.number, "seat": place.seat}
            self._node(place.node, partial(propose, place=place), **labels, model=seat.model)
        return [place.node for place, _ in row.seats]

    def _join(self, row: Row) -> str:
        act = partial(join, place=row.join)
        self._node(row.join.node, act, role="join", layer=row.number)
        return row.join.node

    def _step(self, told: Told) -> str:
        place, step = told
        role = "answer" if place.final and step.writes else place.kind
        labels = {"role": role, "layer": place.layer, "model": getattr(step, "model", None)}
        said = {key: value for key, value in labels.items() if value is not None}
        self._node(place.node, partial(ACTS[place.kind], place=place), **said)
        return place.node

    def _lead(self, here: list[str], there: list[str], exits: Mapping[str, str]) -> None:
        """From stage to stage; a node that has settled the turn leads past the next ones."""
        node = here[0]
        exit = exits.get(node, there[0]) or END
        if exit in there:
            for one, other in product(here, there):
                self.add_edge(one, other)
            return
        ways: dict[Hashable, str] = {SETTLED: exit, **{one: one for one in there}}
        self.add_conditional_edges(node, Way(node, there), ways)

    def _node(self, name: str, act: partial[Any], **metadata: Any) -> None:
        # A trace need not repeat the whole conversation and every answer for every node.
        policy = TracePolicy(process_inputs=omit_payload)
        unheard = self.answer_only and metadata["role"] != "answer"
        node = Node(name, guarded(noted(act)), [TAG_NOSTREAM] if unheard else None)
        self.add_node(name, node, metadata=metadata, trace_policy=policy)


offer("moa", nested, check_nested)
offer("recorded", recorded, check_recorded)


def build(recipe: Recipe, context: type[Context] = Context, answer_only: bool = False) -> MoaGraph:
    """The recipe as a graph that the caller compiles, with a checkpointer of its choice.

    With `answer_only` no tokens but those of the last step are streamed, as chat pages want it.
    """
    return MoaGraph(recipe, context, answer_only)
