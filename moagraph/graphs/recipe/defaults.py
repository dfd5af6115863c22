"""Resolve a recipe: every seat spelled out and every default filled in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call, Limits, Substitute
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.steps.propose import Seat

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Layer, Recipe

T = TypeVar("T", bound=BaseModel)
DEBATE = "debate"
SYNTHESIZE = "synthesize"  # the prompt of all that read a layer, unless the recipe has another


def resolve_layer(layer: "Layer", recipe: "Recipe") -> "Layer":
    """Return the layer with one entry for each seat, and with the defaults filled in."""
    proposers = [
        _fill(_with_layer_reading(layer, seat), recipe).model_copy(
            update=_seat_prompt(layer, seat, recipe)
        )
        for seat in layer.proposers
        for _ in range(seat.count)
    ]
    filled = [_fill(step, recipe) for step in layer.aggregate]
    counts = zip(filled, answers_read(filled, len(proposers)), strict=True)
    steps = [
        _with_call_counts(step, len(proposers) if step.reads_all_proposals else answers)
        for step, answers in counts
    ]
    if any(step.needs_logprobs for step in steps):
        proposers = [seat.model_copy(update={"logprobs": True}) for seat in proposers]
    return layer.model_copy(update={"proposers": proposers, "aggregate": steps})


def resolve_steps(steps: Sequence[Step], seats: int, recipe: "Recipe") -> list[Step]:
    """Return the steps around the layers, with the defaults filled in."""
    return [
        _with_call_counts(_fill(step, recipe), seats if step.reads_all_proposals else 1)
        for step in steps
    ]


def answers_read(steps: Sequence[Step], seats: int) -> list[int]:
    """Return how many answers each of the steps reads, if the first one reads so many."""
    counts = []
    for step in steps:
        counts.append(seats)
        seats = step.answers_left(seats)
    return counts


def _seat_prompt(layer: "Layer", seat: Seat, recipe: "Recipe") -> dict[str, Any]:
    """Return how a seat is shown the layer before."""
    debate = layer.debate if seat.debate is None else seat.debate
    default = DEBATE if debate else recipe.defaults.prompt
    prompt = seat.prompt or layer.prompt or default
    return {"count": 1, "prompt": prompt, "debate": True if debate else seat.debate}


def _with_call_counts(step: Step, answers: int) -> Step:
    """Return the step with the number of its calls, and of those of its judges."""
    counts: dict[str, Any] = {"asks": step.call_count(answers)}
    if judges := getattr(step, "judges", None):
        per_judge = {"asks": step.calls_per_judge(answers)}
        counts["judges"] = [judge.model_copy(update=per_judge) for judge in judges]
    return step.model_copy(update=counts)


def _with_layer_reading(layer: "Layer", seat: Seat) -> Seat:
    """Return the seat with the layer's settings of how answers are shown."""
    unset = Reading.model_fields.keys() & layer.model_fields_set - seat.model_fields_set
    return seat.model_copy(update={key: getattr(layer, key) for key in unset})


def _fill(settings: T, recipe: "Recipe") -> T:
    """Return the settings with defaults for the keys that are not set, and the server's limits."""
    defaults = recipe.defaults
    fields = type(settings).model_fields
    unset = defaults.model_fields_set & fields.keys() - settings.model_fields_set
    if "prompt" in unset and fields["prompt"].default != SYNTHESIZE:
        unset.remove("prompt")  # a ranker has its own prompt, and a seat its layer's
    full = settings.model_copy(update={key: getattr(defaults, key) for key in unset})
    if judges := getattr(full, "judges", None):
        full = full.model_copy(update={"judges": [_fill(judge, recipe) for judge in judges]})
    if not isinstance(full, Call) or not full.model:  # some steps have an optional model
        return full
    fallbacks = [_fill_fallback(fallback, recipe) for fallback in full.fallbacks]
    return full.model_copy(update={"fallbacks": fallbacks, "limits": _limits(full, recipe)})


def _fill_fallback(fallback: Substitute, recipe: "Recipe") -> Substitute:
    window = fallback.context_window or recipe.defaults.context_window
    return fallback.model_copy(
        update={"limits": _limits(fallback, recipe), "context_window": window}
    )


def _limits(call: Call | Substitute, recipe: "Recipe") -> Limits | None:
    """Return the call's own limits, else those that the recipe sets for its provider."""
    limits = call.limits or recipe.limits.get(split(call.model)[0])
    if recipe.one_at_a_time:
        return (limits or Limits()).model_copy(update={"alone": True})
    return limits
