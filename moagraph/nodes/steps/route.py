"""Route: which of the first layer's named seats is asked: a trivial question stays cheap."""

import asyncio
import glob
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from moagraph.nodes.resources import FILES, MODEL, Names, Prompt
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.messages.build import PromptArguments
from moagraph.nodes.step_support.learned_route import kept_in, load, within
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.nodes.texts.hashed_features import CODE, MATH, cosine, inverse_frequencies, text_vector, weight_features

HAS = {"code": CODE, "math": MATH, "digits": re.compile(r"\d")}


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`matches` is no regular expression: {error}") from error
    return pattern


def _named(model: str) -> str:
    split(model)
    return model


def _learned_file(by: str) -> list[str]:
    return ["what `moa route fit` learned for a recipe of this name"] if by == "learned" else []


class Rule(BaseModel):
    """What a question must be to go to a seat: all that is said must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str
    longer_than: int | None = Field(None, ge=0)
    shorter_than: int | None = Field(None, ge=1)
    matches: Annotated[str, AfterValidator(_regular)] | None = None
    has: Literal["code", "math", "digits"] | None = None

    @model_validator(mode="after")
    def _says(self) -> "Rule":
        if self.model_fields_set <= {"to"}:
            raise ValueError(
                "a rule says when it holds: `longer_than`, `shorter_than`, `matches` or `has`"
            )
        return self

    def broken(self, text: str) -> bool:
        """Whether something that it says does not hold."""
        words = len(text.split())
        return (
            (self.longer_than is not None and words <= self.longer_than)
            or (self.shorter_than is not None and words >= self.shorter_than)
            or (self.matches is not None and not re.search(self.matches, text))
            or (self.has is not None and not HAS[self.has].search(text))
        )

    @property
    def told(self) -> str:
        """The rule in words."""
        said = self.model_dump(exclude={"to"}, exclude_none=True)
        return ", ".join(f"{key} {value!r}" for key, value in said.items())


class Example(BaseModel):
    """A question, and the seat for those like it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1)
    to: str


class Route(Call, Step):
    """How one of the first layer's named seats is chosen; the others are not asked."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE,)
    routes: ClassVar[bool] = True
    prompt_variables: ClassVar[tuple[str, ...]] = ("question", "choices")

    step: Literal["route"] = "route"
    by: Annotated[Literal["rules", "nearest", "model", "learned"], Names(FILES, _learned_file)] = (
        Field(
            "rules",
            description="The first rule that holds, the nearest example, a model, experience.",
        )
    )
    otherwise: str = Field(description="The seat where nothing else decides.")
    rules: list[Rule] = Field(
        default_factory=list,
        description="rules: `to`, and when: `longer_than` or `shorter_than` so many words, "
        "`matches` an expression, `has` code, math or digits.",
    )
    examples: list[Example] = Field(
        default_factory=list, description="nearest: `text`, and `to` which seat its like goes."
    )
    at_least: float = Field(
        0.1, ge=0, le=1, description="nearest: how near, or else it goes otherwise."
    )
    slack: float = Field(
        0.1, ge=0, description="learned: how much worse a cheaper, earlier seat may be expected."
    )
    choices: dict[str, str] = Field(
        default_factory=dict, description="model: what each seat is for, in words."
    )
    model: Annotated[Annotated[str, AfterValidator(_named)] | None, Names(MODEL)] = Field(  # type: ignore[assignment]
        None, description="model: who chooses, as `provider:model`."
    )
    prompt: Prompt = Field("route", description="A prompt's name, a path, or the text.")

    @model_validator(mode="after")
    def _complete(self) -> "Route":
        needs = {"rules": self.rules, "nearest": self.examples, "model": self.model}
        names = {"rules": "rules", "nearest": "examples", "model": "model"}
        for way, what in needs.items():
            if (self.by == way) != bool(what):
                raise ValueError(f'`by = "{way}"` and `{names[way]}` go together')
        return self

    def files(self, recipe: str) -> Sequence[str]:
        """What was learned for the recipe."""
        learned = kept_in(recipe) if self.by == "learned" else None
        return [glob.escape(str(learned))] if learned and learned.is_file() else []

    def call_count(self, seats: int) -> int:
        """One, where a model chooses."""
        return 1 if self.model else 0

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """Every seat that it may choose is there."""
        known = [*dict.fromkeys(seat.name for seat in seats if seat.name)]
        if len(known) < 2:
            return 'a `route` chooses among seats of layer 1 that have a `name`, as name = "single"'
        lost = next((name for name in self._names() if name not in known), None)
        return lost and f"`route` names a seat {lost!r}, and layer 1 has {', '.join(known)}"

    def _names(self) -> Iterator[str]:
        yield self.otherwise
        yield from (rule.to for rule in self.rules)
        yield from (example.to for example in self.examples)
        yield from self.choices

    async def run(self, view: NodeView) -> Update:
        """Choose a seat, and say why."""
        chosen, reason, notes = await WAYS[self.by](view, self, question_of(conversation_of(view)))
        return {"steps": {view.spec.name: {"chosen": chosen, "why": reason, "by": self.by, **notes}}}




Choice = tuple[str, str, Json]


async def _rules(view: NodeView, step: Route, asked: str) -> Choice:
    for number, rule in enumerate(step.rules, 1):
        if not rule.broken(asked):
            return rule.to, f"rule {number}: {rule.told}", {}
    return step.otherwise, "no rule holds", {}


async def _nearest(view: NodeView, step: Route, asked: str) -> Choice:
    vectors = [text_vector(example.text) for example in step.examples]
    weights = inverse_frequencies(vectors)
    own = weight_features(text_vector(asked), weights)
    near = [cosine(own, weight_features(one, weights)) for one in vectors]
    best = max(range(len(near)), key=lambda number: near[number])
    if near[best] < step.at_least:
        return step.otherwise, f"no example is near (the nearest: {near[best]:.2f})", {}
    example = step.examples[best]
    return example.to, f"like {example.text[:60]!r} ({near[best]:.2f})", {}


async def _model(view: NodeView, step: Route, asked: str) -> Choice:
    call = Call.model_validate(
        {key: said for key, said in view.settings.items() if key in Call.model_fields}
    )
    names = routes(view.recipe)
    listed = "\n".join(f"- {name}: {step.choices.get(name, '')}".rstrip(": ") for name in names)
    telling = PromptArguments(values={"choices": listed}, alone=True)
    name, record = await ask_parsed(view, call, telling, lambda said: named(said, names))
    notes = {"calls": {"router": record}, "unparsed": int(name is None)}
    if name:
        return name, f"`{step.model}` says so", notes
    reason = record["error"] or f"no seat is named in {record['text'][:60]!r}"
    return step.otherwise, f"`{step.model}` has not chosen: {reason}", notes


async def _learned(view: NodeView, step: Route, asked: str) -> Choice:
    router = await asyncio.to_thread(load, view.recipe["name"])
    names = routes(view.recipe)
    known = [name for name in router.routes if name in names]
    if not known:
        return step.otherwise, f"it was fitted for {', '.join(router.routes)}", {}
    told = router.guesses(asked)
    guesses = {name: round(told[name], 3) for name in known}
    chosen = within(guesses, step.slack)
    shown = ", ".join(f"{name} {guess:.2f}" for name, guess in guesses.items())
    return chosen, f"expected: {shown}", {"guesses": guesses}


Way = Callable[[NodeView, Route, str], Awaitable[Choice]]
WAYS: dict[str, Way] = {
    "rules": _rules,
    "nearest": _nearest,
    "model": _model,
    "learned": _learned,
}


def routes(recipe: Json) -> list[str]:
    """The names of the first layer's seats, in their order."""
    names = (seat.get("name") for seat in recipe["layers"][0]["proposers"])
    return [*dict.fromkeys(name for name in names if name)]


def named(said: str, names: Sequence[str]) -> str | None:
    """The one seat that the last line which names any names."""
    for line in reversed(said.casefold().splitlines()):
        words = re.findall(r"[\w-]+", line)
        if found := [name for name in names if name in words]:
            return found[0] if len(found) == 1 else None
    return None
