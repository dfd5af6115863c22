"""What one run came to: the answer, each layer's proposals, and the bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphs import names

Status = Literal["done", "paused", "failed"]


@dataclass(frozen=True)
class Result:
    """One run, as `--json` prints it."""

    thread_id: str
    recipe: str
    status: Status
    answer: str = ""
    layers: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    seconds: float = 0.0
    error: str | None = None
    next: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The fields that say something for this status."""
        said = {key: getattr(self, key) for key in self.__dataclass_fields__}
        if self.status != "failed":
            del said["error"]
        if self.status != "paused":
            del said["next"]
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
    records = bill_of(state)
    return Result(
        thread_id=thread_id,
        recipe=recipe,
        status=status,
        answer=state["messages"][-1].text if status == "done" else "",
        layers=_layers(state),
        steps=[{"node": node, **step} for node, step in state.get("steps", {}).items()],
        usage=usage(records),
        cost_usd=cost(records),
        seconds=round(seconds, 3),
        error=error,
        next=list(next),
    )


def bill_of(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every record of a call in the turn: proposals and steps."""
    proposals = [p for seats in state.get("layers", {}).values() for p in seats.values()]
    return [
        record for record in (*proposals, *state.get("steps", {}).values()) if "model" in record
    ]


def usage(records: list[Mapping[str, Any]]) -> dict[str, int]:
    """The tokens and the calls of these records; a retried call counts as often as it was sent."""
    return {
        "input_tokens": sum(record["input_tokens"] or 0 for record in records),
        "output_tokens": sum(record["output_tokens"] or 0 for record in records),
        "calls": sum(record["attempts"] for record in records),
    }


def cost(records: list[Mapping[str, Any]]) -> float | None:
    """What the records cost together; unknown as soon as one price is."""
    prices = [record["cost_usd"] for record in records if record["ok"]]
    known = [price for price in prices if price is not None]
    return sum(known) if known and len(known) == len(prices) else None


def _layers(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"layer": int(layer), "proposals": [_proposal(layer, *item) for item in seats.items()]}
        for layer, seats in state.get("layers", {}).items()
    ]


def _proposal(layer: str, seat: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"seat": seat, "node": names.proposer(int(layer), seat, record["model"]), **record}
