"""What a turn may cost: a run that would cost more shrinks, and still answers.

Estimates take the longest answer that a recipe allows, so that what ran stays below them. Whole
layers behind the first are left out before seats of the first are; the last steps always stay.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately
from pydantic import BaseModel, ConfigDict, Field

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.prices import cost_usd
from moagraph.nodes.errors import OverBudget
from moagraph.nodes.step_support.registry import has_property, step_class
from moagraph.nodes.state import Json, State, calls_of_record, model_calls, unrouted_seats

TYPICAL = 1024  # tokens of an answer whose length the recipe leaves open
PROMPT = 150  # tokens of what a reader of references is told


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


@dataclass(frozen=True)
class Estimate:
    """What a recipe is expected to take: steps ahead, seats by layer, steps behind, last steps."""

    ahead: Spent
    seats: list[list[Spent]]
    steps: list[Spent]
    last: Spent

    @property
    def all(self) -> Spent:
        """The whole turn."""
        layers = [one for layer in self.seats for one in layer]
        return total([self.ahead, *layers, *self.steps, self.last])


def total(amounts: Iterable[Spent]) -> Spent:
    """All of them together."""
    return sum(amounts, Spent())


async def estimate(recipe: Json, messages: list[AnyMessage]) -> Estimate:
    """What a turn is expected to take at most, where no call is retried."""
    return await _estimate(recipe, count_tokens_approximately(messages))


async def _estimate(recipe: Json, question: int) -> Estimate:
    texts: list[int] = []
    seats, steps = [], []
    ahead = total([await _step(said, question, texts) for said in recipe.get("before", ())])
    question += sum(map(_passage_tokens, recipe.get("before", ())))
    for layer in recipe["layers"]:
        heard = _heard(question, [] if layer.get("fresh") else texts)
        seats.append([await _one(said, heard) for said in layer["proposers"]])
        texts = [_longest(said) for said in layer["proposers"]]
        behind = Spent()
        for said in layer["aggregate"]:
            behind += await _step(said, question, texts)
            texts = _left(said, texts)
        steps.append(behind)
    after = [await _step(said, question, texts) for said in recipe.get("after", ())]
    last = steps[-1] + total(after)
    return Estimate(ahead, seats, steps[:-1], last)


def _passage_tokens(settings: Json) -> int:
    """Return about how many tokens of passages a step before the layers adds to the question."""
    return step_class(settings["step"]).model_validate(settings).passage_tokens()


def spent(state: State) -> Spent:
    """What this turn has taken so far; seats of a layer answer at once."""
    layers = [list(seats.values()) for seats in state.get("layers", {}).values()]
    steps = [calls_of_record(record) for record in state.get("steps", {}).values()]
    return total(_taken(records) for records in (*layers, *steps) if records)


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


async def check(recipe: Json, messages: list[AnyMessage], before: Spent) -> None:
    """Refuse a turn of which not even the last step fits, or whose price cannot be known."""
    if "budget" not in recipe:
        return
    await _check_prices(recipe)
    expected = await estimate(recipe, messages)
    if why := broken(recipe, expected.last, before):
        raise OverBudget(f"not even the last step fits {why}: raise it, or use a cheaper model")


async def room(state: State, layer: int) -> tuple[int, str | None]:
    """How many of the layer's seats fit beside the last steps, and why no more do."""
    recipe = state["recipe"]
    proposers = recipe["layers"][layer - 1]["proposers"]
    others = {int(seat) - 1 for seat in unrouted_seats(state, layer)}
    seats = len(proposers) - len(others)
    if "budget" not in recipe:
        return seats, None
    expected = await estimate(recipe, state["messages"])
    now, before = spent(state), Spent(**recipe.get("spent", {}))
    fixed = now + total(expected.steps[layer - 1 : layer]) + expected.last
    fixed += Spent(seconds=2 * _slowest(state))  # the layer, and the last steps
    why = None
    for number in range(seats, 0, -1 if layer == 1 else -seats):
        asked_ = [one for n, one in enumerate(expected.seats[layer - 1]) if n not in others]
        broke = broken(recipe, fixed + total(asked_[:number]), before)
        if broke is None:
            return number, why
        why = broke
    return 0, why


def within(state: State, call: Call, beside: int = 1, behind: int = 0) -> Call:
    """The call with no more time and attempts than the budget has left for it."""
    said = Budget.model_validate(state["recipe"].get("budget", {}))
    now, changes = spent(state), dict[str, Any]()
    if said.max_seconds is not None:
        left = max(said.max_seconds - now.seconds, 1.0)
        changes["timeout"] = min(call.timeout, left / 2 if behind else left)
    if said.max_calls is not None:
        more = max(0, said.max_calls - now.calls - beside - behind) // beside
        changes["attempts"] = min(call.attempts, 1 + more)
        changes["fallbacks"] = call.fallbacks[:more]
    return call.model_copy(update=changes) if changes else call


def closing(state: State, made: Sequence[Json]) -> bool:
    """Whether one more call beside those a step has made, and no second, is in the budget."""
    if not made or "budget" not in state["recipe"]:
        return False
    more = spent(state) + total(_taken([record]) for record in (*made, made[-1], made[-1]))
    return broken(state["recipe"], more, Spent(**state["recipe"].get("spent", {}))) is not None


async def unpriced(recipe: Json) -> list[str]:
    """The models whose price is not known, substitutes among them."""
    asked = {(one.model, one.base_url, one.price): one for one in _everyone(recipe)}
    lacking = [
        one.model for one in asked.values() if await cost_usd(one, _usage(1, 1), None) is None
    ]
    return list(dict.fromkeys(lacking))


def _everyone(recipe: Json) -> Iterator[Call]:
    """Whoever may be asked: of a recipe in a seat those within it, and all substitutes."""
    for said in model_calls(recipe):
        first, *others = _who(said)
        yield from _everyone(said["inside"]) if "inside" in said else (first,)
        yield from others


async def _check_prices(recipe: Json) -> None:
    said = Budget.model_validate(recipe["budget"])
    if said.max_cost_usd is None and said.thread.max_cost_usd is None:
        return
    if lacking := await unpriced(recipe):
        raise OverBudget(
            f"max_cost_usd cannot be held: the price of `{lacking[0]}` is not known; "
            "say it, as in price = { input = 0.5, output = 1.5 }"
        )


def _taken(records: list[Json]) -> Spent:
    return Spent(
        cost_usd=sum(record["cost_usd"] or 0 for record in records),
        tokens=sum((r["input_tokens"] or 0) + (r["output_tokens"] or 0) for r in records),
        calls=sum(record["attempts"] for record in records),
        seconds=max(record["seconds"] for record in records),
    )


def _slowest(state: State) -> float:
    layers = state.get("layers", {}).values()
    return max((p["seconds"] for seats in layers for p in seats.values()), default=0.0)


def _longest(said: Json) -> int:
    return max(one.max_tokens or TYPICAL for one in _who(said))


async def _one(said: Json, heard: int) -> Spent:
    """The call at its dearest: its model's, its recipe's, or that of a substitute."""
    first, *others = _who(said)
    own = (await _estimate(said["inside"], heard)).all if "inside" in said else None
    asked = others if own else [first, *others]
    usages = [(one, _usage(heard, one.max_tokens or TYPICAL)) for one in asked]
    prices = [await cost_usd(one, usage, None) or 0.0 for one, usage in usages]
    if own:
        return replace(own, cost_usd=max([own.cost_usd, *prices]))
    return Spent(max(prices), heard + _longest(said), 1)


def _heard(question: int, texts: Sequence[int]) -> int:
    return question + PROMPT + sum(texts) if texts else question


def _left(said: Json, texts: list[int]) -> list[int]:
    """The longest answers that the step can leave of those."""
    if has_property(said, "writes_answer"):
        return [_longest(said)]
    return sorted(texts, reverse=True)[: said.get("keep", len(texts))]


async def _step(said: Json, question: int, texts: Sequence[int]) -> Spent:
    """All calls of a step, its judges' among them; each reads no more than its window."""
    if window := said.get("window"):
        texts = sorted([*texts, *[_longest(said)] * said["carry"]], reverse=True)[:window]
    heard = _heard(question, texts)
    calls = [call for call in (said, *said.get("judges", ())) if "model" in call]
    each = [(await _one(call, heard), call.get("asks", 1)) for call in calls]
    return total([one for one, times in each for _ in range(times)])


def _who(said: Json) -> list[Call]:
    """The call, and each that may stand in for it."""
    call = Call.model_validate({key: said[key] for key in said if key in Call.model_fields})
    return [call, *call.substitutes]


def _usage(told: int, said: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=told, output_tokens=said, total_tokens=told + said)
