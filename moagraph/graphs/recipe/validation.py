"""What a recipe may not say, where only the whole of it shows that."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moagraph.nodes.step_support.registry import Step
from moagraph.nodes.messages.compose import REFERENCES, usable
from moagraph.nodes.steps.propose import Seat
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, BEFORE
from moagraph.prompts import PromptError

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Layer, Recipe


class Refused(ValueError):
    """What only shows in the whole of a recipe, and the path at which it stands."""

    def __init__(self, message: str, *path: str | int) -> None:
        """Keep the path beside the message."""
        super().__init__(message)
        self.path = path


def check_layers(recipe: "Recipe", kept: Mapping[str, str]) -> None:
    """The layers, one by one and one after the other; a run has kept the text of some prompts."""
    for number, layer in enumerate(recipe.layers, 1):
        _layer(number, layer, last=number == len(recipe.layers))
        for place in ("proposers", AGGREGATE):
            _prompts(getattr(layer, place), kept, "layers", number - 1, place)
    _ahead(recipe)
    _debates(recipe.layers)


def check_around(recipe: "Recipe", room: str, kept: Mapping[str, str]) -> None:
    """The steps ahead of the layers, or those behind them."""
    steps = getattr(recipe, room)
    _rooms(steps, room, room)
    beside = recipe.layers[0] if room == BEFORE else recipe.layers[-1]
    _steps(steps, beside.proposers, room == AFTER, room)
    _prompts(steps, kept, room)


def check_border(recipe: "Recipe") -> None:
    """What is redacted once is restored at the very end, or not at all."""
    before = [step.step for step in recipe.before]
    redacts = before.count("redact")
    after = [step.step for step in recipe.after]
    if redacts > 1:
        raise Refused("`redact` stands once: one step finds all that is private", BEFORE)
    if "redact" in before[1:]:
        raise Refused("`redact` stands first: steps ahead of it would hear nothing", BEFORE)
    if "restore" in after and not redacts:
        raise Refused('`restore` needs a step = "redact" in `before`', AFTER)
    if "restore" in after[:-1]:
        raise Refused("`restore` stands last: steps behind it would read placeholders", AFTER)


def _layer(number: int, layer: "Layer", last: bool) -> None:
    seats = len(layer.proposers)
    if layer.quorum > seats:
        message = f"layer {number} has {seats} seats, so its quorum cannot be {layer.quorum}"
        raise Refused(message, "layers", number - 1, "quorum")
    where = ("layers", number - 1, "aggregate")
    _rooms(layer.aggregate, AGGREGATE, *where)
    _steps(layer.aggregate, layer.proposers, last, *where)
    if (number == 1 or layer.fresh) and any(step.reviews for step in layer.aggregate):
        message = f"`tally` counts how its layer ranks the one before; layer {number} reads none"
        raise Refused(message, *where)
    _order(layer, last, *where)
    if last and not layer.aggregate[-1].gives_one:
        raise Refused(
            f"layer {number} is the last, so its `aggregate` must end in one answer, as "
            '{ step = "synthesize", model = "provider:model" } does',
            *where,
        )


def _rooms(steps: Sequence[Step], room: str, *path: str | int) -> None:
    for step in steps:
        if room not in step.rooms:
            rooms = " or ".join(step.rooms)
            raise Refused(f"`{step.step}` stands in `{rooms}`, not in `{room}`", *path)


def _steps(steps: Sequence[Step], seats: Sequence[Seat], last: bool, *path: str | int) -> None:
    """Each step has what it needs of the seats that it stands beside."""
    for number, step in enumerate(steps):
        if why := step.refusal(seats, last):
            raise Refused(why, *path, number)


def _ahead(recipe: "Recipe") -> None:
    """What reads passages has something ahead of it that may retrieve them."""
    steps = [*(step for layer in recipe.layers for step in layer.aggregate), *recipe.after]
    for step in steps:
        if step.grounds and not recipe.before:
            raise Refused(
                f"`{step.step}` by passages reads what a step in `before` has retrieved: "
                "there is none",
                AFTER if recipe.after else "layers",
            )


def _debates(layers: "Sequence[Layer]") -> None:
    """Who debates has answered in the same seat of the layer before."""
    for number, layer in enumerate(layers):
        before = layers[number - 1].proposers if number and not layer.fresh else []
        for index, seat in enumerate(layer.proposers):
            model = before[index].model if index < len(before) else None
            if seat.debate and model != seat.model:
                who = f"is of `{model}`" if model else "there is none"
                raise Refused(
                    f"seat {index + 1} of layer {number + 1}, `{seat.model}`, debates: the same "
                    f"seat of the layer before must be the same model, and {who}",
                    *("layers", number, "proposers"),
                )


def _order(layer: "Layer", last: bool, *path: str | int) -> None:
    """What looks at one answer has one ahead of it, and what ends a recipe stands at its end."""
    one = len(layer.proposers) == 1
    for step in layer.aggregate:
        if step.single and not one:
            before = '{ step = "synthesize", model = "provider:model" }'
            raise Refused(
                f"`{step.step}` looks at one answer: put a step that makes one, such as "
                f"{before}, before it",
                *path,
            )
        one = one or step.gives_one
        if step.ends and not (last and step is layer.aggregate[-1]):
            raise Refused(
                f"`{step.step}` stands at the end of the last layer's `aggregate`, or in `after`",
                *path,
            )


def _prompts(said: Sequence[Any], kept: Mapping[str, str], *path: str | int) -> None:
    """Every prompt can be read and filled, unless a run has kept its text."""
    for one in said:
        prompt = getattr(one, "prompt", None)
        if prompt and prompt not in kept:
            try:
                usable(prompt, getattr(one, "speaks", REFERENCES))
            except PromptError as error:
                raise Refused(str(error), *path) from error
        _prompts(getattr(one, "judges", None) or (), kept, *path)
