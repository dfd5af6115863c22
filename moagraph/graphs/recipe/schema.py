"""What a recipe may say."""

import hashlib
import json
from collections.abc import Iterable
from math import inf
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from moagraph.graphs.recipe.call_count import asks
from moagraph.nodes.step_support.registry import Step
from moagraph.graphs.recipe.validation import check_around, check_border, check_layers
from moagraph.graphs.recipe.defaults import SYNTHESIZE, resolved_layer, resolved_steps
from moagraph.nodes.policies.budget import Budget
from moagraph.nodes.models.call import Limits, Sampling
from moagraph.nodes.steps.concat import Concat
from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.steps.propose import Seat
from moagraph.nodes.state import calls
from moagraph.nodes.step_support.base import AFTER, BEFORE


def _concat() -> list[Step]:
    return [Concat()]


def _a_seat(said: Any) -> Any:
    return {"model": said} if isinstance(said, str) else said


def _steps(said: Any) -> Any:
    return [_a_step(step) for step in (said if isinstance(said, list) else [said])]


def _a_step(said: Any) -> Any:
    return {"step": said} if isinstance(said, str) else said


def _grace(said: Any) -> Any:
    number = isinstance(said, int | float) and not isinstance(said, bool)
    if said is None or said == "auto" or (number and 0 <= said < inf):
        return said
    raise ValueError(f'`grace` {said!r}: it is a number of seconds, 0 or more, or "auto"')


Grace = Annotated[
    Any,
    AfterValidator(_grace),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"const": "auto"}]}),
]


class Defaults(Sampling, Reading):
    """What each seat and step starts from."""

    prompt: str = Field(SYNTHESIZE, description="How a model is told of the layer before.")


class Layer(Reading):
    """Proposers that answer at once, and the steps that make one out of their answers."""

    proposers: list[Annotated[Seat, BeforeValidator(_a_seat)]] = Field(
        min_length=1, description="Its seats: each a model's name, or a table that says more."
    )
    quorum: int = Field(1, ge=1, description="Usable answers without which the layer fails.")
    grace: Grace = Field(
        None,
        description="Seconds for the last seats, once the quorum is in; "
        '"auto" learns them from how long this recipe\'s models took before.',
    )
    hedge_after: float | None = Field(
        None, gt=0, description="Seconds after which the last seat's substitute is asked too."
    )
    review: bool = Field(False, description="Pause for a person before the layer is handed on.")
    prompt: str | None = Field(None, description="How its proposers are told of the layer before.")
    debate: bool = Field(
        False,
        description="Its proposers are those of the layer before, and criticise each other: each "
        "is told its own answer apart from the others'.",
    )
    fresh: bool = Field(False, description="Its proposers answer anew: they read no layer before.")
    aggregate: Annotated[list[Step], BeforeValidator(_steps)] = Field(
        default_factory=_concat,
        min_length=1,
        description="The steps behind its seats, each a kind's name or a table; the last layer's "
        "leave one answer.",
    )


class Recipe(BaseModel):
    """Which models propose in which layers, and how their answers become one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="The file's, where none is said."
    )
    about: str = Field("", description="A sentence for those who choose among recipes.")
    defaults: Defaults = Field(Defaults(), description="What each seat and step starts from.")
    limits: dict[str, Limits] = Field(
        default_factory=dict, description="By provider: how much is asked of it at once."
    )
    budget: Budget | None = Field(None, description="The most that a turn and a thread may cost.")
    cache: bool | None = Field(
        None, description="Whether what was asked before is answered from the cache."
    )
    one_at_a_time: bool = Field(False, description="One call at a time, for a single GPU.")
    before: list[Annotated[Step, BeforeValidator(_a_step)]] = Field(
        default_factory=list, description="Steps ahead of the first layer."
    )
    layers: list[Layer] = Field(min_length=1, description="One behind the other.")
    after: list[Annotated[Step, BeforeValidator(_a_step)]] = Field(
        default_factory=list, description="Steps behind the last layer."
    )

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> "Recipe":
        kept = (info.context or {}).get("prompts", {})
        layers = [resolved_layer(layer, self) for layer in self.layers]
        object.__setattr__(self, "layers", layers)
        check_layers(self, kept)
        for room in (BEFORE, AFTER):
            seats = len(layers[-1].proposers) if room == AFTER else 1
            steps = resolved_steps(getattr(self, room), seats, self)
            object.__setattr__(self, room, steps)
            check_around(self, room, kept)
        check_border(self)
        return self

    @property
    def calls(self) -> int:
        """How often a turn asks a model at most, where nothing fails."""
        return asks(self)

    @property
    def pauses(self) -> bool:
        """Whether a turn may wait for a person."""
        steps = [*(step for layer in self.layers for step in layer.aggregate), *self.after]
        return any(layer.review for layer in self.layers) or any(step.pauses for step in steps)

    @property
    def spares(self) -> bool:
        """Whether a step may end a turn before its end."""
        steps = [step for layer in self.layers for step in layer.aggregate]
        return any(step.settles for step in (*steps, *self.after))

    @property
    def models(self) -> list[str]:
        """Every model that it asks, once, in the order of the layers."""
        said = [call["model"] for call in calls(self.resolved())]
        return list(dict.fromkeys(said))

    @property
    def version(self) -> str:
        """A short hash of all that it says, by which runs of the same recipe are found."""
        said = json.dumps(self.resolved(), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def resolved(self) -> dict[str, Any]:
        """The recipe as plain JSON, as the state keeps it; reading it again changes nothing."""
        return self.model_dump(mode="json", exclude_none=True)


def reviewed(recipe: Recipe, layers: Iterable[int]) -> Recipe:
    """The recipe, pausing for a person behind these layers."""
    said = recipe.resolved()
    for number in layers:
        if not 1 <= number <= len(recipe.layers):
            raise UsageError(f"there is no layer {number}: the recipe has {len(recipe.layers)}")
        said["layers"][number - 1]["review"] = True
    return Recipe.model_validate(said)


def with_cache(recipe: Recipe) -> Recipe:
    """The recipe, with what was asked before answered from the cache."""
    return recipe.model_copy(update={"cache": True})
