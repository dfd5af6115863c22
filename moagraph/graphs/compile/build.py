"""Compile a recipe to a graph: a node for each seat, for each layer's join and for each step."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from itertools import pairwise, product
from typing import Any, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import TracePolicy, omit_payload

from moagraph.graphs.compile.answer_check import check_answer
from moagraph.graphs.compile.failed_calls import BEGIN, CountingGraph, count_for
from moagraph.graphs.compile.layout import (
    LayerLayout,
    StepNode,
    lay_out_layers,
    lay_out_preparation,
)
from moagraph.graphs.compile.thread_trust import LOCAL, ORIGIN, TrustingGraph
from moagraph.graphs.compile.trace_metadata import with_trace_metadata
from moagraph.graphs.compile.trace_redaction import RedactedGraph, traces_without_content
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.context import Context
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.hooks import guard_private_details
from moagraph.nodes.models import event_loops
from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.state import Input, Output, State, is_settled
from moagraph.nodes.step_support.base import Step, Update
from moagraph.nodes.steps.begin import begin
from moagraph.nodes.steps.join import join
from moagraph.nodes.steps.propose import Seat

SETTLED = "settled"

Work: TypeAlias = Callable[[State], Awaitable[Update]]


class Node(Runnable[State, Update]):
    """One coroutine for sync and async callers: `invoke` hands it to the background loop."""

    def __init__(self, node_name: str, work: Work, tags: list[str] | None = None) -> None:
        """Wrap a node's work; its calls to models carry the tags."""
        self.node_name = node_name
        self.work = work
        self.tags = tags

    def invoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run on the background loop, whatever loop the caller is in."""
        return event_loops.run(self.ainvoke(input, config))

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run on the caller's loop."""
        if self.tags:
            var_child_runnable_config.set(merge_configs(config, {"tags": self.tags}))
        failed_calls = count_for(self.node_name, config)
        try:
            update = check_answer(self.node_name, await self.work(input))
        except StepFailed as error:
            error.node = self.node_name
            raise
        if failed_calls and self.node_name == BEGIN:
            failed_calls.counted = True
        return update


class EarlyExit(Runnable[State, list[str]]):
    """Chooses the next nodes after a node that may have ended the turn."""

    def __init__(self, node: str, next_nodes: list[str]) -> None:
        """Name the node, and where it leads if the turn goes on."""
        self.node, self.next_nodes = node, next_nodes
        self.name = f"{node}_way"

    def invoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> list[str]:
        """Look at what the node has written."""
        return [SETTLED] if is_settled(input, self.node) else self.next_nodes

    async def ainvoke(
        self, input: State, config: RunnableConfig | None = None, **_: Any
    ) -> list[str]:
        """Do the same without a thread."""
        return self.invoke(input)


class MoaGraph(StateGraph[State, Context, Input, Output]):
    """A recipe's graph; compiled, it has a thread for each seat of its widest layer."""

    # LangGraph takes threads of the same pool to wait for tokens and to write checkpoints:
    # without spare threads, streaming tokens would never end.
    SPARE_THREADS = 4

    def __init__(
        self, recipe: Recipe, context: type[Context] = Context, answer_only: bool = False
    ) -> None:
        """Add every node and edge of the recipe."""
        super().__init__(State, context, input_schema=Input, output_schema=Output)
        self.recipe = recipe
        self.answer_only = answer_only
        self.redacts = any(step.redacts for step in recipe.before)
        self._add_stages()

    def compile(
        self, *args: Any, **kwargs: Any
    ) -> CompiledStateGraph[State, Context, Input, Output]:
        """Compile as LangGraph does, as parallel in `invoke` as in `ainvoke`."""
        kwargs.setdefault("name", self.recipe.name)
        width = max(len(layer.proposers) for layer in self.recipe.layers)
        threads = width + self.SPARE_THREADS
        compiled = super().compile(*args, **kwargs)
        if self.redacts:
            from moagraph.graphs.compile.private_graph import PrivateGraph

            compiled = PrivateGraph.of(compiled)
        elif traces_without_content():
            compiled = RedactedGraph.of(compiled)
        elif self.recipe.budget:
            compiled = CountingGraph.of(compiled)
        else:
            compiled = TrustingGraph.of(compiled)
        recipe = {"recipe": self.recipe.name, "recipe_version": self.recipe.version}
        return compiled.with_config(max_concurrency=threads, metadata={**recipe, ORIGIN: LOCAL})

    def _add_stages(self) -> None:
        """Add stage after stage: nodes side by side, each after all nodes of the stage before."""
        self._add("begin", partial(begin, recipe=self.recipe.resolved()), role="begin")
        stages, exits = [["begin"]], dict[str, str]()
        stages += [[self._add_step(node)] for node in lay_out_preparation(self.recipe)]
        for layout in lay_out_layers(self.recipe):
            stages += [self._add_seats(layout), [self._add_join(layout)]]
            stages += [[self._add_step(node)] for node in layout.steps]
            exits |= layout.exits
        for sources, targets in pairwise([[START], *stages, [END]]):
            self._add_edges(sources, targets, exits)

    def _add_seats(self, layout: LayerLayout) -> list[str]:
        for spec, seat in layout.seats:
            labels = {"role": "proposer", "layer": layout.number, "seat": spec.seat}
            self._add(spec.name, _node_work(spec, Seat), spec, **labels, model=seat.model)
        return [spec.name for spec, _ in layout.seats]

    def _add_join(self, layout: LayerLayout) -> str:
        spec = layout.join

        async def work(state: State) -> Update:
            return await join(NodeView(state, spec))

        self._add(spec.name, work, spec, role="join", layer=layout.number)
        return spec.name

    def _add_step(self, node: StepNode) -> str:
        spec, step = node
        role = "answer" if spec.always_last and step.writes_answer else spec.kind
        labels = {"role": role, "layer": spec.layer, "model": getattr(step, "model", None)}
        defined = {key: value for key, value in labels.items() if value is not None}
        self._add(spec.name, _node_work(spec, type(step)), spec, **defined)
        return spec.name

    def _add_edges(self, sources: list[str], targets: list[str], exits: Mapping[str, str]) -> None:
        """Lead from stage to stage; a node that has ended the turn leads past the next ones."""
        node = sources[0]
        exit_node = exits.get(node, targets[0]) or END
        if exit_node in targets:
            for source, target in product(sources, targets):
                self.add_edge(source, target)
            return
        ends: dict[Hashable, str] = {SETTLED: exit_node, **{name: name for name in targets}}
        self.add_conditional_edges(node, EarlyExit(node, targets), ends)

    def _add(self, name: str, work: Work, spec: NodeSpec | None = None, **metadata: Any) -> None:
        # A trace need not repeat the whole conversation and every answer for every node.
        policy = TracePolicy(process_inputs=omit_payload)
        if spec:
            work = with_trace_metadata(work, spec)
        work = guard_private_details(work)
        is_silent = self.answer_only and metadata["role"] != "answer"
        node = Node(name, work, [TAG_NOSTREAM] if is_silent else None)
        self.add_node(name, node, metadata=metadata, trace_policy=policy)


def _node_work(spec: NodeSpec, step: type[Step] | type[Seat]) -> Work:
    """Return what the node does: read its settings from the state, and run them."""

    async def work(state: State) -> Update:
        view = NodeView(state, spec)
        return await step.model_validate(view.settings).run(view)

    return work


def build(recipe: Recipe, context: type[Context] = Context, answer_only: bool = False) -> MoaGraph:
    """Return the recipe as a graph, to be compiled with a checkpointer of the caller's choice.

    Args:
        recipe: The recipe, from `load_recipe` or built in code.
        context: The schema of the per-run context; a subclass of `Context`.
        answer_only: Stream only the tokens of the step that writes the answer, as chat pages do.

    Returns:
        A LangGraph `StateGraph`; call `compile()` on it.
    """
    return MoaGraph(recipe, context, answer_only)
