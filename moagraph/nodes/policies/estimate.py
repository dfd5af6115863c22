"""Estimate the most that a turn uses, from the longest answers that its recipe allows."""

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
PROMPT = 150  # tokens of the prompt around references


@dataclass(frozen=True)
class Estimate:
    """The expected use of a turn.

    Attributes:
        preparation: The steps before the first layer.
        seats: Each seat, by layer.
        steps: The steps after each layer but the last.
        last: The steps after the last layer, and those after all layers.
    """

    preparation: Spent
    seats: list[list[Spent]]
    steps: list[Spent]
    last: Spent

    @property
    def all(self) -> Spent:
        """The whole turn."""
        seats = [seat for layer in self.seats for seat in layer]
        return total([self.preparation, *seats, *self.steps, self.last])


async def estimate(recipe: Json, messages: list[AnyMessage]) -> Estimate:
    """Estimate the most that a turn uses if no call is retried.

    Args:
        recipe: The resolved recipe.
        messages: The conversation with the new question.
    """
    return await _estimate(recipe, count_tokens_approximately(messages))


async def _estimate(recipe: Json, question: int) -> Estimate:
    texts: list[int] = []
    seats, steps = [], []
    before = recipe.get("before", ())
    preparation = total([await _step(settings, question, texts) for settings in before])
    question += sum(map(_passage_tokens, before))
    for layer in recipe["layers"]:
        tokens = _input_tokens(question, [] if layer.get("fresh") else texts)
        seats.append([await _call(settings, tokens) for settings in layer["proposers"]])
        texts = [_longest(settings) for settings in layer["proposers"]]
        layer_steps = Spent()
        for settings in layer["aggregate"]:
            layer_steps += await _step(settings, question, texts)
            texts = _remaining(settings, texts)
        steps.append(layer_steps)
    after = [await _step(settings, question, texts) for settings in recipe.get("after", ())]
    return Estimate(preparation, seats, steps[:-1], last=steps[-1] + total(after))


def _passage_tokens(settings: Json) -> int:
    """Return about how many tokens of passages a step before the layers adds to the question."""
    return step_class(settings["step"]).model_validate(settings).passage_tokens()


async def unpriced(recipe: Json) -> list[str]:
    """Return the models whose price is not known, substitutes among them.

    Args:
        recipe: The resolved recipe.
    """
    calls = {(call.model, call.base_url, call.price): call for call in _all_calls(recipe)}
    missing = [
        call.model for call in calls.values() if await cost_usd(call, _usage(1, 1), None) is None
    ]
    return list(dict.fromkeys(missing))


def _all_calls(recipe: Json) -> Iterator[Call]:
    """Yield every call that may be made: of nested recipes theirs, and all substitutes."""
    for settings in model_calls(recipe):
        first, *substitutes = _candidates(settings)
        yield from _all_calls(settings["inside"]) if "inside" in settings else (first,)
        yield from substitutes


def _longest(settings: Json) -> int:
    return max(call.max_tokens or TYPICAL for call in _candidates(settings))


async def _call(settings: Json, tokens: int) -> Spent:
    """Return the most expensive outcome: of its model, its nested recipe, or a substitute."""
    first, *substitutes = _candidates(settings)
    nested = (await _estimate(settings["inside"], tokens)).all if "inside" in settings else None
    calls = substitutes if nested else [first, *substitutes]
    usages = [(call, _usage(tokens, call.max_tokens or TYPICAL)) for call in calls]
    prices = [await cost_usd(call, usage, None) or 0.0 for call, usage in usages]
    if nested:
        return replace(nested, cost_usd=max([nested.cost_usd, *prices]))
    return Spent(max(prices), tokens + _longest(settings), 1)


def _input_tokens(question: int, texts: Sequence[int]) -> int:
    return question + PROMPT + sum(texts) if texts else question


def _remaining(settings: Json, texts: list[int]) -> list[int]:
    """Return the lengths of the longest answers that may be left after the step."""
    if has_property(settings, "writes_answer"):
        return [_longest(settings)]
    return sorted(texts, reverse=True)[: settings.get("keep", len(texts))]


async def _step(settings: Json, question: int, texts: Sequence[int]) -> Spent:
    """Return all calls of a step, its judges' included; none reads more than its window."""
    if window := settings.get("window"):
        carried = [_longest(settings)] * settings["carry"]
        texts = sorted([*texts, *carried], reverse=True)[:window]
    tokens = _input_tokens(question, texts)
    calls = [call for call in (settings, *settings.get("judges", ())) if "model" in call]
    costs = [(await _call(call, tokens), call.get("asks", 1)) for call in calls]
    return total([cost for cost, times in costs for _ in range(times)])


def _candidates(settings: Json) -> list[Call]:
    """Return the call and its substitutes."""
    fields = {key: value for key, value in settings.items() if key in Call.model_fields}
    call = Call.model_validate(fields)
    return [call, *call.substitutes]


def _usage(input_tokens: int, output_tokens: int) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )
