"""Rules that only show in the whole of a recipe, each refused with the path of its place."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moagraph.nodes.messages.compose import REFERENCES, check_prompt
from moagraph.nodes.step_support.base import AFTER, AGGREGATE, BEFORE, Step
from moagraph.nodes.steps.propose import Seat
from moagraph.prompts import PromptError

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Layer, Recipe


class InvalidRecipe(ValueError):
    """A rule that the whole of a recipe breaks, and the path at which it does."""

    def __init__(self, message: str, *path: str | int) -> None:
        """Keep the path with the message."""
        super().__init__(message)
        self.path = path


def check_layers(recipe: "Recipe", stored_prompts: Mapping[str, str] | None) -> None:
    """Check each layer, and each against the one before.

    Args:
        recipe: The recipe.
        stored_prompts: The texts of prompts that a run has stored; None reads no prompt at all.
    """
    for number, layer in enumerate(recipe.layers, 1):
        _check_layer(number, layer, is_last=number == len(recipe.layers))
        for key in ("proposers", AGGREGATE):
            _check_prompts(getattr(layer, key), stored_prompts, "layers", number - 1, key)
    _check_passages(recipe)
    _check_debates(recipe.layers)


def check_around(recipe: "Recipe", position: str, stored_prompts: Mapping[str, str] | None) -> None:
    """Check the steps before the layers, or those after them."""
    steps = getattr(recipe, position)
    _check_positions(steps, position, position)
    layer = recipe.layers[0] if position == BEFORE else recipe.layers[-1]
    _check_placement(steps, layer.proposers, position == AFTER, position)
    _check_prompts(steps, stored_prompts, position)


def check_redaction(recipe: "Recipe") -> None:
    """Check that a recipe redacts first and once, and restores last or not at all."""
    redacting = [step.step for step in recipe.before if step.redacts]
    restoring = [step.step for step in recipe.after if step.restores]
    if len(redacting) > 1:
        raise InvalidRecipe(
            f"`{redacting[0]}` stands once: one step finds all that is private", BEFORE
        )
    if any(step.redacts for step in recipe.before[1:]):
        raise InvalidRecipe(
            f"`{redacting[0]}` stands first: steps ahead of it would hear nothing", BEFORE
        )
    if restoring and not redacting:
        raise InvalidRecipe(f'`{restoring[0]}` needs a step = "redact" in `before`', AFTER)
    if any(step.restores for step in recipe.after[:-1]):
        raise InvalidRecipe(
            f"`{restoring[0]}` stands last: steps behind it would read placeholders", AFTER
        )


def _check_layer(number: int, layer: "Layer", is_last: bool) -> None:
    seats = len(layer.proposers)
    if layer.quorum > seats:
        message = f"layer {number} has {seats} seats, so its quorum cannot be {layer.quorum}"
        raise InvalidRecipe(message, "layers", number - 1, "quorum")
    path = ("layers", number - 1, "aggregate")
    _check_positions(layer.aggregate, AGGREGATE, *path)
    _check_placement(layer.aggregate, layer.proposers, is_last, *path)
    ranking = next((step.step for step in layer.aggregate if step.ranks_previous_layer), None)
    if ranking and (number == 1 or layer.fresh):
        raise InvalidRecipe(
            f"`{ranking}` counts how its layer ranks the one before; layer {number} reads none",
            *path,
        )
    _check_order(layer, is_last, *path)
    if is_last and not layer.aggregate[-1].leaves_one_answer:
        raise InvalidRecipe(
            f"layer {number} is the last, so its `aggregate` must end in one answer, as "
            '{ step = "synthesize", model = "provider:model" } does',
            *path,
        )


def _check_positions(steps: Sequence[Step], position: str, *path: str | int) -> None:
    for step in steps:
        if position not in step.positions:
            allowed = " or ".join(step.positions)
            raise InvalidRecipe(f"`{step.step}` stands in `{allowed}`, not in `{position}`", *path)


def _check_placement(
    steps: Sequence[Step], seats: Sequence[Seat], is_last: bool, *path: str | int
) -> None:
    """Check that each step has what it needs of the seats that it stands next to."""
    for number, step in enumerate(steps):
        if error := step.placement_error(seats, is_last):
            raise InvalidRecipe(error, *path, number)


def _check_passages(recipe: "Recipe") -> None:
    """Check that a step that reads passages has a step before it that may retrieve them."""
    steps = [*(step for layer in recipe.layers for step in layer.aggregate), *recipe.after]
    for step in steps:
        if step.needs_passages and not recipe.before:
            raise InvalidRecipe(
                f"`{step.step}` by passages reads what a step in `before` has retrieved: "
                "there is none",
                AFTER if recipe.after else "layers",
            )


def _check_debates(layers: "Sequence[Layer]") -> None:
    """Check that a seat that debates holds the same model as in the layer before."""
    for number, layer in enumerate(layers):
        previous = layers[number - 1].proposers if number and not layer.fresh else []
        for index, seat in enumerate(layer.proposers):
            model = previous[index].model if index < len(previous) else None
            if seat.debate and model != seat.model:
                actual = f"is of `{model}`" if model else "there is none"
                raise InvalidRecipe(
                    f"seat {index + 1} of layer {number + 1}, `{seat.model}`, debates: the same "
                    f"seat of the layer before must be the same model, and {actual}",
                    *("layers", number, "proposers"),
                )


def _check_order(layer: "Layer", is_last: bool, *path: str | int) -> None:
    """Check the steps that need one answer, and those that must be last."""
    is_single = len(layer.proposers) == 1
    for step in layer.aggregate:
        if step.needs_single_answer and not is_single:
            example = '{ step = "synthesize", model = "provider:model" }'
            raise InvalidRecipe(
                f"`{step.step}` looks at one answer: put a step that makes one, such as "
                f"{example}, before it",
                *path,
            )
        is_single = is_single or step.leaves_one_answer
        if step.must_be_last and not (is_last and step is layer.aggregate[-1]):
            raise InvalidRecipe(
                f"`{step.step}` stands at the end of the last layer's `aggregate`, or in `after`",
                *path,
            )


def _check_prompts(
    parts: Sequence[Any], stored_prompts: Mapping[str, str] | None, *path: str | int
) -> None:
    """Check that every prompt can be read and filled, unless a run has stored its text."""
    if stored_prompts is None:
        return
    for part in parts:
        prompt = getattr(part, "prompt", None)
        if prompt and prompt not in stored_prompts:
            try:
                check_prompt(prompt, getattr(part, "prompt_variables", REFERENCES))
            except PromptError as error:
                raise InvalidRecipe(str(error), *path) from error
        _check_prompts(getattr(part, "judges", None) or (), stored_prompts, *path)
