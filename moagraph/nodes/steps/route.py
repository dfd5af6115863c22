"""Route: choose which of the first layer's named seats answers, so easy questions cost less."""

import asyncio
import glob
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from moagraph.nodes.messages.build import PromptArguments
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import FILES, MODEL, Names, Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.nodes.step_support.learned_route import kept_in, load, within
from moagraph.nodes.texts.hashed_features import (
    CODE,
    MATH,
    cosine,
    inverse_frequencies,
    text_vector,
    weight_features,
)

FEATURES = {"code": CODE, "math": MATH, "digits": re.compile(r"\d")}
Choice: TypeAlias = tuple[str, str, Json]  # the seat, why, and more for the record


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`matches` is no regular expression: {error}") from error
    return pattern


def _check_model(model: str) -> str:
    split(model)
    return model


def _learned_file(by: str) -> list[str]:
    return ["what `moa route fit` learned for a recipe of this name"] if by == "learned" else []


class Rule(BaseModel):
    """A seat, and the conditions under which a question goes to it: all must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str
    longer_than: int | None = Field(None, ge=0)
    shorter_than: int | None = Field(None, ge=1)
    matches: Annotated[str, AfterValidator(_check_pattern)] | None = None
    has: Literal["code", "math", "digits"] | None = None

    @model_validator(mode="after")
    def _check_conditions(self) -> "Rule":
        if self.model_fields_set <= {"to"}:
            raise ValueError(
                "a rule says when it holds: `longer_than`, `shorter_than`, `matches` or `has`"
            )
        return self

    def holds(self, text: str) -> bool:
        """Return whether the question meets every condition."""
        words = len(text.split())
        return (
            (self.longer_than is None or words > self.longer_than)
            and (self.shorter_than is None or words < self.shorter_than)
            and (self.matches is None or bool(re.search(self.matches, text)))
            and (self.has is None or bool(FEATURES[self.has].search(text)))
        )

    @property
    def description(self) -> str:
        """The conditions, for the record."""
        conditions = self.model_dump(exclude={"to"}, exclude_none=True)
        return ", ".join(f"{key} {value!r}" for key, value in conditions.items())


class Example(BaseModel):
    """A question, and the seat for similar ones."""

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
    model: Annotated[Annotated[str, AfterValidator(_check_model)] | None, Names(MODEL)] = Field(  # type: ignore[assignment]
        None, description="model: who chooses, as `provider:model`."
    )
    prompt: Prompt = Field("route", description="A prompt's name, a path, or the text.")

    @model_validator(mode="after")
    def _check_settings(self) -> "Route":
        settings = {
            "rules": ("rules", self.rules),
            "nearest": ("examples", self.examples),
            "model": ("model", self.model),
        }
        for method, (key, value) in settings.items():
            if (self.by == method) != bool(value):
                raise ValueError(f'`by = "{method}"` and `{key}` go together')
        return self

    def files(self, recipe: str) -> Sequence[str]:
        """Return the file of the router that was fitted for the recipe."""
        learned = kept_in(recipe) if self.by == "learned" else None
        return [glob.escape(str(learned))] if learned and learned.is_file() else []

    def call_count(self, answers: int) -> int:
        """Return one call if a model chooses."""
        return 1 if self.model else 0

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """Refuse a route to a seat that layer 1 does not have."""
        names = [*dict.fromkeys(seat.name for seat in seats if seat.name)]
        if len(names) < 2:
            return 'a `route` chooses among seats of layer 1 that have a `name`, as name = "single"'
        missing = next((name for name in self._targets() if name not in names), None)
        return missing and f"`route` names a seat {missing!r}, and layer 1 has {', '.join(names)}"

    def _targets(self) -> Iterator[str]:
        yield self.otherwise
        yield from (rule.to for rule in self.rules)
        yield from (example.to for example in self.examples)
        yield from self.choices

    async def run(self, view: NodeView) -> Update:
        """Choose a seat, and record why."""
        methods = {
            "rules": self._choose_by_rules,
            "nearest": self._choose_nearest,
            "model": self._ask_router,
            "learned": self._choose_learned,
        }
        seat, reason, notes = await methods[self.by](view, question_of(conversation_of(view)))
        record = {"chosen": seat, "why": reason, "by": self.by, **notes}
        return {"steps": {view.spec.name: record}}

    async def _choose_by_rules(self, view: NodeView, question: str) -> Choice:
        for number, rule in enumerate(self.rules, 1):
            if rule.holds(question):
                return rule.to, f"rule {number}: {rule.description}", {}
        return self.otherwise, "no rule holds", {}

    async def _choose_nearest(self, view: NodeView, question: str) -> Choice:
        vectors = [text_vector(example.text) for example in self.examples]
        weights = inverse_frequencies(vectors)
        target = weight_features(text_vector(question), weights)
        similarities = [cosine(target, weight_features(vector, weights)) for vector in vectors]
        best = max(range(len(similarities)), key=lambda number: similarities[number])
        similarity = similarities[best]
        if similarity < self.at_least:
            return self.otherwise, f"no example is near (the nearest: {similarity:.2f})", {}
        example = self.examples[best]
        return example.to, f"like {example.text[:60]!r} ({similarity:.2f})", {}

    async def _ask_router(self, view: NodeView, question: str) -> Choice:
        fields = {key: value for key, value in view.settings.items() if key in Call.model_fields}
        names = routes(view.recipe)
        choices = "\n".join(
            f"- {name}: {self.choices.get(name, '')}".rstrip(": ") for name in names
        )
        arguments = PromptArguments(values={"choices": choices}, alone=True)
        name, record = await ask_parsed(
            view, Call.model_validate(fields), arguments, lambda text: parse_choice(text, names)
        )
        notes = {"calls": {"router": record}, "unparsed": int(name is None)}
        if name:
            return name, f"`{self.model}` says so", notes
        reason = record["error"] or f"no seat is named in {record['text'][:60]!r}"
        return self.otherwise, f"`{self.model}` has not chosen: {reason}", notes

    async def _choose_learned(self, view: NodeView, question: str) -> Choice:
        router = await asyncio.to_thread(load, view.recipe["name"])
        names = routes(view.recipe)
        candidates = [name for name in router.routes if name in names]
        if not candidates:
            return self.otherwise, f"it was fitted for {', '.join(router.routes)}", {}
        predicted = router.guesses(question)
        guesses = {name: round(predicted[name], 3) for name in candidates}
        listed = ", ".join(f"{name} {guess:.2f}" for name, guess in guesses.items())
        return within(guesses, self.slack), f"expected: {listed}", {"guesses": guesses}


def routes(recipe: Json) -> list[str]:
    """Return the names of the first layer's seats, in seat order.

    Args:
        recipe: The resolved recipe.
    """
    names = (seat.get("name") for seat in recipe["layers"][0]["proposers"])
    return [*dict.fromkeys(name for name in names if name)]


def parse_choice(text: str, names: Sequence[str]) -> str | None:
    """Return the seat that a router's reply chooses.

    Args:
        text: The reply; its last line with a seat's name decides.
        names: The seats to choose from.

    Returns:
        The name; None if that line has several, or if no line has one.
    """
    for line in reversed(text.casefold().splitlines()):
        words = re.findall(r"[\w-]+", line)
        if mentioned := [name for name in names if name in words]:
            return mentioned[0] if len(mentioned) == 1 else None
    return None
