"""What one run came to: the answer, each layer's proposals, and the bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes import node_names
from moagraph.nodes.hooks import restore_originals
from moagraph.nodes.policies.budget_report import exceeded
from moagraph.nodes.state import State

# A run ends in the first three; a thread that is looked at may also stand in one of the others.
Status = Literal["done", "paused", "failed", "stopped", "running"]


@dataclass(frozen=True)
class Result:
    """One run, as `--json` prints it."""

    thread_id: str
    recipe: str
    status: Status
    answer: str = ""
    layers: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)  # `estimated` is there where it is true
    cost_usd: float | None = None
    seconds: float = 0.0
    error: str | None = None
    next: list[str] = field(default_factory=list)
    over_budget: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The fields that say something for this status."""
        said = {key: getattr(self, key) for key in self.__dataclass_fields__}
        if self.status != "failed":
            del said["error"]
        if self.status in ("done", "failed"):
            del said["next"]
        if not self.over_budget:
            del said["over_budget"]
        return said


def result(
    state: Mapping[str, Any],
    *,
    thread_id: str,
    recipe: str,
    status: Status,
    seconds: float,
    error: str | None = None,
    next: tuple[str, ...] = (),
) -> Result:
    """Read a run's state."""
    records = call_records(state)
    return Result(
        thread_id=thread_id,
        recipe=recipe,
        status=status,
        answer=str(restore_originals(state["messages"][-1]).text) if status == "done" else "",
        layers=_layers(state),
        steps=[{"node": node, **step} for node, step in state.get("steps", {}).items()],
        usage=total_usage(records),
        cost_usd=total_cost(records),
        seconds=round(seconds, 3),
        error=error,
        next=list(next),
        over_budget=exceeded(cast(State, state)),
    )


def _layers(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"layer": int(layer), "proposals": [_proposal(layer, *item) for item in seats.items()]}
        for layer, seats in state.get("layers", {}).items()
    ]


def _proposal(layer: str, seat: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"seat": seat, "node": node_names.proposer(int(layer), seat, record["model"]), **record}
