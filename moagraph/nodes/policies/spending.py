"""What calls took, and the most that they may take."""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields

from pydantic import BaseModel, ConfigDict, Field

from moagraph.nodes.state import Json, State, calls_of_record


class Amounts(BaseModel):
    """The most that may be spent; what is left open is not limited."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_cost_usd: float | None = Field(None, gt=0, description="By known prices.")
    max_tokens: int | None = Field(None, ge=1, description="In and out together.")
    max_calls: int | None = Field(None, ge=1, description="Attempts included.")
    max_seconds: float | None = Field(
        None, gt=0, description="Waiting for a person does not count."
    )


class Budget(Amounts):
    """The most that a turn may cost, and all turns of a thread together."""

    thread: Amounts = Amounts()


@dataclass(frozen=True)
class Spent:
    """What calls took, or are expected to."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        """Both together."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Spent(*(left + right for left, right in pairs))

    def over(self, most: Amounts) -> str | None:
        """The first limit that this breaks, in words."""
        for field in fields(self):
            limit = getattr(most, f"max_{field.name}")
            if limit is not None and getattr(self, field.name) > limit:
                return f"max_{field.name} = {limit:g}"
        return None


# What steps took that failed in this turn, for which the state has no record.
FAILED: ContextVar[Spent] = ContextVar("failed", default=Spent())


def total(amounts: Iterable[Spent]) -> Spent:
    """All of them together."""
    return sum(amounts, Spent())


def spent(state: State) -> Spent:
    """What this turn has taken so far; seats of a layer answer at once."""
    layers = [list(seats.values()) for seats in state.get("layers", {}).values()]
    steps = [calls_of_record(record) for record in state.get("steps", {}).values()]
    return FAILED.get() + total(taken(records) for records in (*layers, *steps) if records)


def carried(state: State) -> Spent:
    """What the turns before have taken, the one that is now in the state included."""
    before = Spent(**state.get("recipe", {}).get("spent", {}))
    return before + spent(state)


def broken(recipe: Json, now: Spent, before: Spent) -> str | None:
    """The limit that breaks where the turn takes so much, after the turns before."""
    said = Budget.model_validate(recipe.get("budget", {}))
    if why := now.over(said):
        return f"the turn's budget, {why}"
    if why := (before + now).over(said.thread):
        return f"the thread's budget, {why}"
    return None


def taken(records: Sequence[Json]) -> Spent:
    """What the calls behind these records took, all at once."""
    return Spent(
        cost_usd=sum(record["cost_usd"] or 0 for record in records),
        tokens=sum((r["input_tokens"] or 0) + (r["output_tokens"] or 0) for r in records),
        calls=sum(record["attempts"] for record in records),
        seconds=max(record["seconds"] for record in records),
    )


