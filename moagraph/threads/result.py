"""The result of one run: the answer, each layer's proposals, the steps, and the usage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes import node_names
from moagraph.nodes.hooks import restore_originals
from moagraph.nodes.policies.budget_report import exceeded
from moagraph.nodes.state import Proposal, State
from moagraph.nodes.texts.printable import one_line

# A run ends in one of the first three; a stored thread may also be in one of the others.
Status: TypeAlias = Literal["done", "paused", "failed", "stopped", "running"]
StepResult: TypeAlias = dict[str, Any]  # a step's record with its `node`; see nodes/records.py

PREVIEW = 60  # characters of the answer in `repr`


class Usage(TypedDict):
    """The tokens and calls of a run, attempts included."""

    input_tokens: int
    output_tokens: int
    calls: int
    estimated: NotRequired[bool]  # a provider did not report its tokens


class SeatProposal(Proposal):
    """A proposal, with its seat and node."""

    seat: str
    node: str


class LayerResult(TypedDict):
    """A layer's proposals, in seat order."""

    layer: int
    proposals: list[SeatProposal]


def _no_usage() -> Usage:
    return Usage(input_tokens=0, output_tokens=0, calls=0)


@dataclass(frozen=True, repr=False)
class Result:
    """One run, as `--json` prints it.

    Attributes:
        thread_id: The thread's name.
        recipe: The recipe's name.
        status: `done`, `paused` or `failed`; a stored thread may also be `stopped` or `running`.
        answer: The answer; empty unless the run is done.
        layers: Each layer with its proposals.
        steps: The record of each join and step, with its node.
        usage: Tokens and calls.
        cost_usd: The cost in dollars; None if a price is unknown.
        seconds: How long the run took.
        error: Why it failed.
        next: The nodes that run next, if it is paused.
        over_budget: Each limit that was exceeded, by how much and why.
    """

    thread_id: str
    recipe: str
    status: Status
    answer: str = ""
    layers: list[LayerResult] = field(default_factory=list)
    steps: list[StepResult] = field(default_factory=list)
    usage: Usage = field(default_factory=_no_usage)
    cost_usd: float | None = None
    seconds: float = 0.0
    error: str | None = None
    next: list[str] = field(default_factory=list)
    over_budget: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that apply to this status."""
        fields = {key: getattr(self, key) for key in self.__dataclass_fields__}
        if self.status != "failed":
            del fields["error"]
        if self.status in ("done", "failed"):
            del fields["next"]
        if not self.over_budget:
            del fields["over_budget"]
        return fields

    def __repr__(self) -> str:
        """Return one line: status, answer or error, calls and time."""
        text = one_line(self.error or self.answer)
        preview = text if len(text) <= PREVIEW else f"{text[: PREVIEW - 1]}…"
        return (
            f"<Result {self.recipe}: {self.status}, {preview!r}, "
            f"{self.usage['calls']} calls, {self.seconds:g} s>"
        )

    def _repr_markdown_(self) -> str:
        """Return what a notebook shows: the answer, and a table of the proposals."""
        rows = [
            f"| {layer['layer']}.{proposal['seat']} | {_cell(proposal['model'])} | "
            f"{'ok' if proposal['ok'] else _cell(str(proposal['error']))} | "
            f"{_cell(proposal['text'])} |"
            for layer in self.layers
            for proposal in layer["proposals"]
        ]
        head = self.answer or f"**{self.status}** {_cell(self.error or '')}"
        table = ["", "| seat | model | | text |", "|---|---|---|---|", *rows] if rows else []
        return "\n".join([head, *table])


def read_result(
    state: Mapping[str, Any],
    *,
    thread_id: str,
    recipe: str,
    status: Status,
    seconds: float,
    error: str | None = None,
    next: tuple[str, ...] = (),
) -> Result:
    """Read a run's state.

    Args:
        state: The values of the graph's state.
        thread_id: The thread's name.
        recipe: The recipe's name.
        status: How the run ended.
        seconds: How long it took.
        error: Why it failed.
        next: The nodes that run next.
    """
    records = call_records(state)
    return Result(
        thread_id=thread_id,
        recipe=recipe,
        status=status,
        answer=str(restore_originals(state["messages"][-1]).text) if status == "done" else "",
        layers=_layers(state),
        steps=[{"node": node, **step} for node, step in state.get("steps", {}).items()],
        usage=cast(Usage, total_usage(records)),
        cost_usd=total_cost(records),
        seconds=round(seconds, 3),
        error=error,
        next=list(next),
        over_budget=exceeded(cast(State, state)),
    )


def _layers(state: Mapping[str, Any]) -> list[LayerResult]:
    return [
        {"layer": int(layer), "proposals": [_proposal(layer, *item) for item in seats.items()]}
        for layer, seats in state.get("layers", {}).items()
    ]


def _proposal(layer: str, seat: str, record: dict[str, Any]) -> SeatProposal:
    node = node_names.proposer(int(layer), seat, record["model"])
    return cast(SeatProposal, {"seat": seat, "node": node, **record})


def _cell(text: str) -> str:
    """Return a text as a cell of a Markdown table, without any HTML of a model's."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return escaped if len(escaped) <= PREVIEW else f"{escaped[: PREVIEW - 1]}…"
