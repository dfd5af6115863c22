"""What a turn is expected to take at most, by the longest answers that its recipe allows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.prices import cost_usd
from moagraph.nodes.policies.spending import Spent, total
from moagraph.nodes.state import Json, model_calls
from moagraph.nodes.step_support.registry import has_property, step_class

TYPICAL = 1024  # tokens of an answer whose length the recipe leaves open
PROMPT = 150  # tokens of what a reader of references is told


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
