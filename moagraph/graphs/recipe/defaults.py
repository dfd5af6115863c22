"""A recipe with every seat spelled out and every default filled in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from moagraph.nodes.step_support.registry import Step
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call, Limits, Substitute
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.steps.propose import Seat

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Layer, Recipe

T = TypeVar("T", bound=BaseModel)
DEBATE = "debate"
SYNTHESIZE = "synthesize"  # the prompt of all who read a layer, unless a recipe has another


def resolved_layer(layer: "Layer", recipe: "Recipe") -> "Layer":
    """The layer with each seat standing for itself and the defaults filled in."""
    proposers = [
        _filled(_shown_as(layer, seat), recipe).model_copy(update=_hears(layer, seat, recipe))
        for seat in layer.proposers
        for _ in range(seat.count)
    ]
    known = [_filled(step, recipe) for step in layer.aggregate]
    left = zip(known, leaving(known, len(proposers)), strict=True)
    steps = [_asking(step, len(proposers) if step.compares else read) for step, read in left]
    if any(step.weighs for step in steps):
        proposers = [seat.model_copy(update={"logprobs": True}) for seat in proposers]
    return layer.model_copy(update={"proposers": proposers, "aggregate": steps})


def _hears(layer: "Layer", seat: Seat, recipe: "Recipe") -> dict[str, Any]:
    """How each of the seats is told of the layer before."""
    debate = layer.debate if seat.debate is None else seat.debate
    default = DEBATE if debate else recipe.defaults.prompt
    prompt = seat.prompt or layer.prompt or default
    return {"count": 1, "prompt": prompt, "debate": True if debate else seat.debate}


def resolved_steps(steps: Sequence[Step], seats: int, recipe: "Recipe") -> list[Step]:
    """Steps around the layers; those that compare read so many answers."""
    return [_asking(_filled(step, recipe), seats if step.compares else 1) for step in steps]


def leaving(steps: Sequence[Step], seats: int) -> list[int]:
    """How many answers each of the steps reads, where the first one reads so many."""
    left = []
    for step in steps:
        left.append(seats)
        seats = step.leaves(seats)
    return left


def _asking(step: Step, seats: int) -> Step:
    """The step with the number of its calls, and its judges' where others are asked for it."""
    times: dict[str, Any] = {"asks": step.calls(seats)}
    if judges := getattr(step, "judges", None):
        each = {"asks": step.judgings(seats)}
        times["judges"] = [judge.model_copy(update=each) for judge in judges]
    return step.model_copy(update=times)


def _shown_as(layer: "Layer", seat: Seat) -> Seat:
    """The seat with what its layer says of how answers are shown."""
    open_ = Reading.model_fields.keys() & layer.model_fields_set - seat.model_fields_set
    return seat.model_copy(update={key: getattr(layer, key) for key in open_})


def _filled(said: T, recipe: "Recipe") -> T:
    """What it says itself, the defaults for what it leaves open, and its server's limits."""
    defaults = recipe.defaults
    fields = type(said).model_fields
    open_ = defaults.model_fields_set & fields.keys() - said.model_fields_set
    if "prompt" in open_ and fields["prompt"].default != SYNTHESIZE:
        open_.remove("prompt")  # a ranker's is another, and a seat's is its layer's
    full = said.model_copy(update={key: getattr(defaults, key) for key in open_})
    if judges := getattr(full, "judges", None):
        full = full.model_copy(update={"judges": [_filled(one, recipe) for one in judges]})
    if not isinstance(full, Call) or not full.model:  # some steps ask only if told whom
        return full
    others = [_limited(other, recipe) for other in full.fallbacks]
    return full.model_copy(update={"fallbacks": others, "limits": _limits(full, recipe)})


def _limited(other: Substitute, recipe: "Recipe") -> Substitute:
    window = other.context_window or recipe.defaults.context_window
    return other.model_copy(update={"limits": _limits(other, recipe), "context_window": window})


def _limits(said: Call | Substitute, recipe: "Recipe") -> Limits | None:
    """What the call says itself, else what the recipe says of its provider."""
    limits = said.limits or recipe.limits.get(split(said.model)[0])
    if recipe.one_at_a_time:
        return (limits or Limits()).model_copy(update={"alone": True})
    return limits
