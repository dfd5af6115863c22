"""A turn that is kept, read as a person or a program wants to look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from moagraph.graphs.compile.layout import early_end, lay_out_layers
from moagraph.graphs.compile.thread_trust import ThreadTrust
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UnknownName
from moagraph.nodes.node_spec import NodeSpec
from moagraph.nodes.state import Json
from moagraph.threads.branches import Branches, Fork, Saver, parse_thread_name, read_branches
from moagraph.threads.history import Thread, open_thread
from moagraph.threads.result import Result, Status, read_result
from moagraph.threads.savers.steady import Steady
from moagraph.threads.snapshot import (
    error_of,
    original_question,
    seconds_of,
    sent_of,
    status_of,
    values_of,
)


@dataclass(frozen=True)
class LayerView:
    """A layer as it came out: its seats in their order, and the steps behind them."""

    number: int
    proposals: list[Json]
    steps: list[Json]

    @property
    def title(self) -> str:
        """What stands above it."""
        if not self.number:
            return "ahead of the layers"
        return f"layer {self.number}{'' if self.proposals else ': not needed'}"


@dataclass(frozen=True)
class TurnView:
    """One turn of one fork: what was asked, what each was sent, and what it came to."""

    run_result: Result
    question: str
    turn: int
    turns: int
    fork: int
    forks: int
    at: str
    last: str
    sent: Mapping[str, list[Json]]
    trust: ThreadTrust
    unneeded: Sequence[int] = ()  # layers that a gate has spared

    @property
    def layers(self) -> list[LayerView]:
        """Each layer with its own steps; ahead of them 0, where steps are ahead of the first.

        A layer that was not needed has no proposals; steps may stand behind it all the same.
        """
        proposals = {
            item["layer"]: [dict(p) for p in item["proposals"]] for item in self.run_result.layers
        }
        steps: dict[int, list[Json]] = {}
        for step in self.run_result.steps:
            steps.setdefault(_layer_of(step), []).append(step)
        numbers = sorted({*proposals, *self.unneeded, *(number for number in steps if not number)})
        return [
            LayerView(number, proposals.get(number, []), steps.get(number, []))
            for number in numbers
        ]

    @property
    def answering(self) -> Json | None:
        """The record of the call whose text is the answer; none where it was picked."""
        steps = self.run_result.steps if self.run_result.status == "done" else []
        return next((s for s in steps if s["node"] == self.last and "model" in s), None)

    def only(self, layer: int) -> "TurnView":
        """The same with only that layer."""
        layers = [item for item in self.run_result.layers if item["layer"] == layer]
        steps = [step for step in self.run_result.steps if _layer_of(step) == layer]
        unneeded = [number for number in self.unneeded if number == layer]
        return replace(
            self, run_result=replace(self.run_result, layers=layers, steps=steps), unneeded=unneeded
        )

    def as_json(self, sent: bool = False) -> Json:
        """As `moa ask --json` prints a run, and where in the thread it stands."""
        fields = self.run_result.as_json()
        if sent:
            fields["layers"] = [
                {**layer, "proposals": self._with_sent(layer["proposals"])}
                for layer in fields["layers"]
            ]
            fields["steps"] = self._with_sent(fields["steps"])
        position = {"turn": self.turn, "turns": self.turns, "fork": self.fork, "forks": self.forks}
        return {**fields, "question": self.question, **position, **self._origin()}

    def _origin(self) -> Json:
        """Of a thread from elsewhere: whether it may run, and what its recipe reaches."""
        trust = self.trust
        if not trust.imported:
            return {}
        reaches = [asdict(item) for item in trust.resources]
        return {"imported": True, "trusted": trust.trusted, "reaches": reaches}

    def _with_sent(self, records: list[Json]) -> list[Json]:
        return [self._with_calls_sent(record) for record in records]

    def _with_calls_sent(self, record: Json) -> Json:
        node = record["node"]
        fields_sent = {**record, "sent": self.sent.get(node)}
        if "calls" in record:
            fields_sent["calls"] = {
                label: {**call, "sent": self.sent.get(f"{node}.{label}")}
                for label, call in record["calls"].items()
            }
        return fields_sent


async def read_turn(
    threads: Saver, name: str, turn: int | None = None, layer: int | None = None
) -> TurnView:
    """A turn of the thread, or of its fork where the name is `THREAD@N`."""
    thread_id, number = await parse_thread_name(threads, name)
    tree = await read_branches(threads, thread_id)
    return await _read_view(threads, tree, tree.fork(number), turn, layer)


async def read_forks(threads: Saver, thread_id: str) -> list[tuple[Fork, TurnView]]:
    """The last turn of each fork of a thread."""
    tree = await read_branches(threads, (await parse_thread_name(threads, thread_id))[0])
    return [(fork, await _read_view(threads, tree, fork)) for fork in tree.forks]


async def _read_view(
    threads: Saver, tree: Branches, fork: Fork, turn: int | None = None, layer: int | None = None
) -> TurnView:
    number, end = tree.turn(fork, turn)
    newest = end == tree.newest.tip
    thread = await open_thread(threads, tree.thread_id, None if newest else end)
    if layer is not None and not 1 <= layer <= len(thread.recipe.layers):
        raise UnknownName(f"there is no layer {layer}: the recipe has {len(thread.recipe.layers)}")
    values = values_of(thread.state)
    view = TurnView(
        run_result=_result_of(thread, values, _status(threads, thread, newest)),
        question=original_question(values),
        turn=number,
        turns=len(tree.turns(fork)),
        fork=fork.number,
        forks=len(tree.forks),
        at=thread.state.created_at or "",
        last=_answering_node(thread.recipe, values["steps"]),
        unneeded=_skipped_layers(thread.recipe, values["steps"]),
        sent=dict(sent_of(values, thread.recipe)),
        trust=thread.trust,
    )
    return view if layer is None else view.only(layer)


def _result_of(thread: Thread, values: Json, status: Status) -> Result:
    run_result = read_result(
        values,
        thread_id=thread.id,
        recipe=thread.recipe.name,
        status=status,
        seconds=seconds_of(values),
        error=error_of(thread.state),
        next=thread.state.next,
    )
    order = {spec.name: number for number, spec in enumerate(_nodes_after_seats(thread.recipe))}
    steps = sorted(
        run_result.steps, key=lambda step: order.get(step["node"], -1)
    )  # or ahead of all
    return replace(run_result, steps=steps)


def _nodes_after_seats(recipe: Recipe) -> list[NodeSpec]:
    """Every join and step, in the order in which they run."""
    return [spec for row in lay_out_layers(recipe) for spec in row.after_seats]


def _answering_node(recipe: Recipe, steps: Json) -> str:
    """The node that has left the answer."""
    names = [
        spec.name for spec in _nodes_after_seats(recipe) if spec.ends_turn and spec.name in steps
    ]
    return names[-1] if names else ""


def _skipped_layers(recipe: Recipe, steps: Json) -> Sequence[int]:
    ended = early_end(recipe, steps)
    return range(ended[0] + 1, len(recipe.layers) + 1) if ended else ()


def _status(threads: Saver, thread: Thread, newest: bool) -> Status:
    """To look whether a thread runs takes its lock for a moment, so a done one is not touched."""
    names = status_of(thread.state)
    if names != "done" and newest and isinstance(threads, Steady) and threads.running(thread.id):
        return "running"
    return names


def _layer_of(step: Mapping[str, Any]) -> int:
    """The layer that a node's name begins with."""
    return int(step["node"][1:].split("_")[0])
