"""The schema of a recipe: its keys, their types and their defaults."""

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
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from moagraph.graphs.recipe.defaults import SYNTHESIZE, resolve_layer, resolve_steps
from moagraph.graphs.recipe.validation import check_around, check_layers, check_redaction
from moagraph.nodes.errors import ExtensionError, UnknownStep, UsageError
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Limits, Sampling
from moagraph.nodes.policies.budget import Budget
from moagraph.nodes.resources import FILES, Names, Prompt, PromptFile
from moagraph.nodes.state import model_calls, recipe_parts
from moagraph.nodes.step_support.base import AFTER, BEFORE, Step
from moagraph.nodes.step_support.registry import parse_step
from moagraph.nodes.steps.concat import Concat
from moagraph.nodes.steps.propose import Seat


def _default_steps() -> list[Step]:
    return [Concat()]


def _seat(settings: Any) -> Any:
    return {"model": settings} if isinstance(settings, str) else settings


def _as_list(settings: Any) -> Any:
    return settings if isinstance(settings, list) else [settings]


def _parse_step(settings: Any) -> Any:
    """Parse a step by the class of its name, which is imported here."""
    if isinstance(settings, dict) and not isinstance(settings.get("step"), str):
        raise PydanticCustomError("step_missing", "a step has the key `step`", {})
    if not isinstance(settings, str | dict | Step):
        raise PydanticCustomError("model_type", "a step is a name or a table", {})
    try:
        return parse_step(settings)
    except UnknownStep as error:
        raise PydanticCustomError("step_unknown", "{reason}", {"reason": str(error)}) from error
    except ExtensionError as error:
        raise ValueError(str(error)) from error


def _cache_resource(cache: bool) -> list[str]:
    return ["answers in the cache"] if cache else []


def _grace(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or value == "auto" or (is_number and 0 <= value < inf):
        return value
    raise ValueError(f'`grace` {value!r}: it is a number of seconds, 0 or more, or "auto"')


AnyStep = Annotated[SerializeAsAny[Step], BeforeValidator(_parse_step)]

Grace = Annotated[
    Any,
    AfterValidator(_grace),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"const": "auto"}]}),
]


class Defaults(Sampling, Reading):
    """What each seat and step starts from."""

    prompt: Prompt = Field(SYNTHESIZE, description="How a model is told of the layer before.")


class Layer(Reading):
    """Proposers that answer at once, and the steps that make one out of their answers."""

    proposers: list[Annotated[Seat, BeforeValidator(_seat)]] = Field(
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
    prompt: Annotated[str | None, PromptFile] = Field(
        None, description="How its proposers are told of the layer before."
    )
    debate: bool = Field(
        False,
        description="Its proposers are those of the layer before, and criticise each other: each "
        "is told its own answer apart from the others'.",
    )
    fresh: bool = Field(False, description="Its proposers answer anew: they read no layer before.")
    aggregate: Annotated[list[AnyStep], BeforeValidator(_as_list)] = Field(
        default_factory=_default_steps,
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
    cache: Annotated[bool | None, Names(FILES, _cache_resource)] = Field(
        None, description="Whether what was asked before is answered from the cache."
    )
    one_at_a_time: bool = Field(False, description="One call at a time, for a single GPU.")
    before: list[AnyStep] = Field(
        default_factory=list, description="Steps ahead of the first layer."
    )
    layers: list[Layer] = Field(min_length=1, description="One behind the other.")
    after: list[AnyStep] = Field(default_factory=list, description="Steps behind the last layer.")

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> "Recipe":
        context = info.context or {}
        is_readable = context.get("read_prompts", True)
        stored_prompts = context.get("prompts", {}) if is_readable else None
        layers = [resolve_layer(layer, self) for layer in self.layers]
        object.__setattr__(self, "layers", layers)
        check_layers(self, stored_prompts)
        for position in (BEFORE, AFTER):
            seats = len(layers[-1].proposers) if position == AFTER else 1
            steps = resolve_steps(getattr(self, position), seats, self)
            object.__setattr__(self, position, steps)
            check_around(self, position, stored_prompts)
        check_redaction(self)
        return self

    @property
    def steps(self) -> list[Step]:
        """The steps of all layers, and those after them."""
        return [*(step for layer in self.layers for step in layer.aggregate), *self.after]

    @property
    def may_pause(self) -> bool:
        """Whether a turn may wait for a person."""
        return any(layer.review for layer in self.layers) or any(s.may_pause for s in self.steps)

    @property
    def may_end_early(self) -> bool:
        """Whether a step may end a turn before the last layer."""
        return any(step.may_end_turn for step in self.steps)

    @property
    def models(self) -> list[str]:
        """Every model that it calls, once, in the order of the layers."""
        return list(dict.fromkeys(call["model"] for call in model_calls(self.resolved())))

    @property
    def version(self) -> str:
        """A short hash of the resolved recipe, by which runs of the same recipe are found."""
        content = json.dumps(self.resolved(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def to_toml(self) -> str:
        """Return the recipe as the text of a TOML file, with every default filled in."""
        import tomli_w  # only here: few runs write a recipe

        recipe = self.resolved()
        for part in recipe_parts(recipe):
            part.pop("asks", None)  # computed again when the file is read
        return tomli_w.dumps(recipe)

    def resolved(self) -> dict[str, Any]:
        """Return the recipe as plain JSON, as the state stores it; parsing it changes nothing."""
        return self.model_dump(mode="json", exclude_none=True)


def with_review(recipe: Recipe, layers: Iterable[int]) -> Recipe:
    """Return the recipe with a pause for a person after each of these layers."""
    resolved = recipe.resolved()
    for number in layers:
        if not 1 <= number <= len(recipe.layers):
            raise UsageError(f"there is no layer {number}: the recipe has {len(recipe.layers)}")
        resolved["layers"][number - 1]["review"] = True
    return Recipe.model_validate(resolved)


def with_cache(recipe: Recipe) -> Recipe:
    """Return the recipe with the answer cache on."""
    return recipe.model_copy(update={"cache": True})
