"""What a recipe may say, and what it means: every seat spelled out, every default filled in."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from math import inf
from typing import Annotated, Any, TypeVar

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

from graphs.asks import asks
from graphs.kinds import Step
from nodes.budget import Budget
from nodes.chat.address import split
from nodes.chat.call import Call, Limits, Sampling, Substitute
from nodes.concat import Concat
from nodes.conversation import REFERENCES, usable
from nodes.errors import UsageError
from nodes.fence import Reading
from nodes.propose import Seat
from nodes.state import calls
from nodes.step import AFTER, AGGREGATE, BEFORE
from prompts import PromptError

T = TypeVar("T", bound=BaseModel)
DEBATE = "debate"
SYNTHESIZE = "synthesize"  # the prompt of all who read a layer, unless a recipe has another


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


class Refused(ValueError):
    """What only shows in the whole of a recipe, and the path at which it stands."""

    def __init__(self, message: str, *path: str | int) -> None:
        """Keep the path beside the message."""
        super().__init__(message)
        self.path = path


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
        layers = [_resolved(layer, self) for layer in self.layers]
        kept = (info.context or {}).get("prompts", {})
        for number, layer in enumerate(layers, 1):
            _check(number, layer, last=number == len(layers))
            for place in ("proposers", "aggregate"):
                _check_prompts(getattr(layer, place), kept, "layers", number - 1, place)
        object.__setattr__(self, "layers", layers)
        _check_ahead(self)
        _check_debates(layers)
        for room in (BEFORE, AFTER):
            seats = len(layers[-1].proposers) if room == AFTER else 1
            steps = [
                _asking(_filled(step, self), seats if step.compares else 1)
                for step in getattr(self, room)
            ]
            _check_rooms(steps, room, room)
            beside = layers[0] if room == BEFORE else layers[-1]
            _check_steps(steps, beside.proposers, room == AFTER, room)
            _check_prompts(steps, kept, room)
            object.__setattr__(self, room, steps)
        _check_border(self)
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


def _resolved(layer: Layer, recipe: Recipe) -> Layer:
    """The layer with each seat standing for itself and the defaults filled in."""
    proposers = [
        _filled(_shown_as(layer, seat), recipe).model_copy(update=_hears(layer, seat, recipe))
        for seat in layer.proposers
        for _ in range(seat.count)
    ]
    filled = [_filled(step, recipe) for step in layer.aggregate]
    left = zip(filled, leaving(filled, len(proposers)), strict=True)
    steps = [_asking(step, len(proposers) if step.compares else read) for step, read in left]
    if any(step.weighs for step in steps):
        proposers = [seat.model_copy(update={"logprobs": True}) for seat in proposers]
    return layer.model_copy(update={"proposers": proposers, "aggregate": steps})


def _hears(layer: Layer, seat: Seat, recipe: Recipe) -> dict[str, Any]:
    """How each of the seats is told of the layer before."""
    debate = layer.debate if seat.debate is None else seat.debate
    default = DEBATE if debate else recipe.defaults.prompt
    prompt = seat.prompt or layer.prompt or default
    return {"count": 1, "prompt": prompt, "debate": True if debate else seat.debate}


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


def _shown_as(layer: Layer, seat: Seat) -> Seat:
    """The seat with what its layer says of how answers are shown."""
    open_ = Reading.model_fields.keys() & layer.model_fields_set - seat.model_fields_set
    return seat.model_copy(update={key: getattr(layer, key) for key in open_})


def _filled(said: T, recipe: Recipe) -> T:
    """What it says itself, the defaults for what it leaves open, and its server's limits."""
    defaults = recipe.defaults
    fields = type(said).model_fields
    open_ = defaults.model_fields_set & fields.keys() - said.model_fields_set
    if "prompt" in open_ and fields["prompt"].default != SYNTHESIZE:
        open_.remove("prompt")  # a ranker's is another, and a seat's is its layer's
    filled = said.model_copy(update={key: getattr(defaults, key) for key in open_})
    if judges := getattr(filled, "judges", None):
        filled = filled.model_copy(update={"judges": [_filled(one, recipe) for one in judges]})
    if not isinstance(filled, Call) or not filled.model:  # some steps ask only if told whom
        return filled
    others = [_limited(other, recipe) for other in filled.fallbacks]
    return filled.model_copy(update={"fallbacks": others, "limits": _limits(filled, recipe)})


def _limited(other: Substitute, recipe: Recipe) -> Substitute:
    window = other.context_window or recipe.defaults.context_window
    return other.model_copy(update={"limits": _limits(other, recipe), "context_window": window})


def _limits(said: Call | Substitute, recipe: Recipe) -> Limits | None:
    """What the call says itself, else what the recipe says of its provider."""
    limits = said.limits or recipe.limits.get(split(said.model)[0])
    if recipe.one_at_a_time:
        return (limits or Limits()).model_copy(update={"alone": True})
    return limits


def _check(number: int, layer: Layer, last: bool) -> None:
    seats = len(layer.proposers)
    if layer.quorum > seats:
        message = f"layer {number} has {seats} seats, so its quorum cannot be {layer.quorum}"
        raise Refused(message, "layers", number - 1, "quorum")
    where = ("layers", number - 1, "aggregate")
    _check_rooms(layer.aggregate, AGGREGATE, *where)
    _check_steps(layer.aggregate, layer.proposers, last, *where)
    if (number == 1 or layer.fresh) and any(step.reviews for step in layer.aggregate):
        message = f"`tally` counts how its layer ranks the one before; layer {number} reads none"
        raise Refused(message, *where)
    _check_order(layer, last, *where)
    if last and not layer.aggregate[-1].gives_one:
        raise Refused(
            f"layer {number} is the last, so its `aggregate` must end in one answer, as "
            '{ step = "synthesize", model = "provider:model" } does',
            *where,
        )


def _check_rooms(steps: Sequence[Step], room: str, *path: str | int) -> None:
    for step in steps:
        if room not in step.rooms:
            rooms = " or ".join(step.rooms)
            raise Refused(f"`{step.step}` stands in `{rooms}`, not in `{room}`", *path)


def _check_border(recipe: Recipe) -> None:
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


def _check_steps(
    steps: Sequence[Step], seats: Sequence[Seat], last: bool, *path: str | int
) -> None:
    """Each step has what it needs of the seats that it stands beside."""
    for number, step in enumerate(steps):
        if why := step.refusal(seats, last):
            raise Refused(why, *path, number)


def _check_ahead(recipe: Recipe) -> None:
    """What reads passages has something ahead of it that may retrieve them."""
    steps = [*(step for layer in recipe.layers for step in layer.aggregate), *recipe.after]
    for step in steps:
        if step.grounds and not recipe.before:
            raise Refused(
                f"`{step.step}` by passages reads what a step in `before` has retrieved: "
                "there is none",
                AFTER if recipe.after else "layers",
            )


def _check_debates(layers: Sequence[Layer]) -> None:
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


def _check_order(layer: Layer, last: bool, *path: str | int) -> None:
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


def _check_prompts(said: Sequence[Any], kept: dict[str, str], *path: str | int) -> None:
    """Every prompt can be read and filled, unless a run has kept its text."""
    for one in said:
        prompt = getattr(one, "prompt", None)
        if prompt and prompt not in kept:
            try:
                usable(prompt, getattr(one, "speaks", REFERENCES))
            except PromptError as error:
                raise Refused(str(error), *path) from error
        _check_prompts(getattr(one, "judges", None) or (), kept, *path)


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
