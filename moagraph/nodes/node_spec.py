"""One node of a compiled recipe: its fixed properties, and what it sees of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

from langchain_core.messages import AnyMessage

from moagraph.nodes.state import Json, Proposal, State, is_settled, proposals_of, widest_layer

Reads: TypeAlias = tuple[int, tuple[str, ...]]  # a layer, and the nodes whose records narrow it


@dataclass(frozen=True)
class NodeSpec:
    """A node's fixed properties, created once when the recipe is laid out.

    Attributes:
        name: The node's name in the graph.
        path: Where its settings are in the resolved recipe.
        layer: Its layer; 0 before the first.
        seat: Its seat number, for a proposer.
        kind: Which of its step's nodes it is; most steps have one, of the step's own name.
        round: Its index among the nodes of one step.
        earlier_rounds: The nodes of the same step that run before it.
        reads: The layer whose answers it reads, and the nodes that have narrowed them.
        layer_reads: What the seats of its layer read.
        preparation: The nodes before the first layer that have run before it.
        gates: Nodes of earlier layers that may have settled the turn.
        ends_turn: Whether its result may be the turn's answer.
        always_last: Whether no other node writes the answer after it.
    """

    name: str
    path: tuple[str | int, ...] = ()
    layer: int = 0
    seat: str = ""
    reads: Reads | None = None
    ends_turn: bool = False
    always_last: bool = False
    kind: str = ""
    round: int = 0
    earlier_rounds: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    layer_reads: Reads | None = None
    preparation: tuple[str, ...] = ()


class NodeView:
    """What one run of a node sees of the state; each property is computed at most once."""

    def __init__(self, state: State, spec: NodeSpec) -> None:
        """Bind a node to the state of this run."""
        self.state = state
        self.spec = spec

    @property
    def recipe(self) -> Json:
        """The resolved recipe of this turn."""
        return self.state["recipe"]

    @property
    def records(self) -> Json:
        """What the turn's steps have written, by node."""
        return self.state["steps"]

    @property
    def messages(self) -> list[AnyMessage]:
        """The conversation."""
        return self.state["messages"]

    @cached_property
    def settings(self) -> Json:
        """The node's own settings, as the recipe of this turn has them."""
        settings: Any = self.recipe
        for key in self.spec.path:
            settings = settings[key]
        return cast(Json, settings)

    @cached_property
    def answers(self) -> dict[str, str]:
        """The usable answers that the node reads, by seat, as earlier steps have left them."""
        if self.spec.reads is None:
            return {}
        layer, chain = self.spec.reads
        for gate in self.spec.gates:
            if self.is_settled(gate):
                return self._narrow({gate: self.records[gate]["text"]}, chain)
        while "passes" in (join := self.records.get(chain[0], {})):
            if join["passes"] is None:
                return {}
            layer, chain = join["passes"]
        proposals = sorted(self.proposals(layer).items())
        return self._narrow({seat: p["text"] for seat, p in proposals if p["ok"]}, chain)

    @cached_property
    def concurrency(self) -> int:
        """The most seats of the recipe that answer at once."""
        return widest_layer(self.recipe)

    @cached_property
    def cache_key(self) -> str | None:
        """Which of a model's samples the node stands for in the cache; None without a cache."""
        if not self.recipe.get("cache"):
            return None
        return f"{self.spec.layer}.{self.spec.seat or self.spec.name}"

    @property
    def layer_skipped(self) -> bool:
        """Whether the node's layer was left out, so that the one before is read in its place."""
        records = self.proposals().values()
        return all(record["kind"] == "skipped" and not record["edited"] for record in records)

    def proposals(self, layer: int | None = None) -> dict[str, Proposal]:
        """A layer's proposals by seat, in seat order; by default those of the node's own layer."""
        return proposals_of(self.state, self.spec.layer if layer is None else layer)

    def is_settled(self, node: str) -> bool:
        """Whether the turn needs nothing more than what that node has written."""
        return is_settled(self.state, node)

    def reading(self, reads: Reads | None, ignore_gates: bool = False) -> "NodeView":
        """Return the same node, reading another layer."""
        gates = () if ignore_gates else self.spec.gates
        return NodeView(self.state, replace(self.spec, reads=reads, gates=gates))

    def _narrow(self, texts: dict[str, str], chain: Sequence[str]) -> dict[str, str]:
        """Apply the records of earlier steps: the seats they kept, or texts in their place."""
        for node in chain:
            record = self.records.get(node, {})
            if "kept" in record:
                texts = {seat: texts[seat] for seat in record["kept"] if seat in texts}
            if "texts" in record:
                texts = record["texts"]
            if "text" in record:
                texts = {node: record["text"]}
        return texts
