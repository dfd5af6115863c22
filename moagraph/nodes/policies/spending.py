"""What calls have used, and the limits on it."""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields

from pydantic import BaseModel, ConfigDict, Field

from moagraph.nodes.state import Json, State, calls_of_record


class Amounts(BaseModel):
    """Limits; a limit that is not set does not apply."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_cost_usd: float | None = Field(None, gt=0, description="By known prices.")
    max_tokens: int | None = Field(None, ge=1, description="In and out together.")
    max_calls: int | None = Field(None, ge=1, description="Attempts included.")
    max_seconds: float | None = Field(
        None, gt=0, description="Waiting for a person does not count."
    )


class Budget(Amounts):
    """The limits of a turn, and of all turns of a thread together."""

    thread: Amounts = Amounts()


@dataclass(frozen=True)
class Spent:
    """What calls have used, or are expected to use."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, more: "Spent") -> "Spent":
        """Return the sum of both."""
        return Spent(*(getattr(self, f.name) + getattr(more, f.name) for f in fields(self)))

    def over(self, limits: Amounts) -> str | None:
        """Return the first limit that this exceeds, as text; None if there is none."""
        for field in fields(self):
            limit = getattr(limits, f"max_{field.name}")
            if limit is not None and getattr(self, field.name) > limit:
                return f"max_{field.name} = {limit:g}"
        return None


# The use of steps that failed in this turn: the state has no record of them.
FAILED: ContextVar[Spent] = ContextVar("failed", default=Spent())  # noqa: B039 - frozen


def total(amounts: Iterable[Spent]) -> Spent:
    """Return the sum."""
    return sum(amounts, Spent())


def spent_in_turn(state: State) -> Spent:
    """Return what this turn has used so far; the seats of a layer run concurrently."""
    layers = [list(seats.values()) for seats in state.get("layers", {}).values()]
    steps = [calls_of_record(record) for record in state.get("steps", {}).values()]
    return FAILED.get() + total(sum_records(group) for group in (*layers, *steps) if group)


def spent_in_thread(state: State) -> Spent:
    """Return what the thread has used, the turn in the state included."""
    before = Spent(**state.get("recipe", {}).get("spent", {}))
    return before + spent_in_turn(state)


def broken_limit(recipe: Json, used: Spent, before: Spent) -> str | None:
    """Return the limit that would be exceeded, as text; None if there is none.

    Args:
        recipe: The resolved recipe, with its budget.
        used: What the turn would have used.
        before: What the earlier turns have used.
    """
    budget = Budget.model_validate(recipe.get("budget", {}))
    if limit := used.over(budget):
        return f"the turn's budget, {limit}"
    if limit := (before + used).over(budget.thread):
        return f"the thread's budget, {limit}"
    return None


def sum_records(records: Sequence[Json]) -> Spent:
    """Return what concurrent calls have used: the slowest one gives the time.

    Args:
        records: The records of the calls, at least one.
    """
    return Spent(
        cost_usd=sum(record["cost_usd"] or 0 for record in records),
        tokens=sum((r["input_tokens"] or 0) + (r["output_tokens"] or 0) for r in records),
        calls=sum(record["attempts"] for record in records),
        seconds=max(record["seconds"] for record in records),
    )
