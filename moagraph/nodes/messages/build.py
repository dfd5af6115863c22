"""Build the messages of a node: its conversation, its prompt, and the answers that it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from langchain_core.messages import AnyMessage

from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.compose import as_single_message, with_own_answer, with_system_prompt
from moagraph.nodes.messages.context import conversation_of, conversation_with_passages
from moagraph.nodes.messages.fence import (
    FENCE,
    Reading,
    boundary,
    clean_for_fence,
    fence_texts,
    hide_model_names,
    shuffle_seats,
)
from moagraph.nodes.messages.shorten import cut_middle, fair_shares, omission_mark
from moagraph.nodes.messages.window import (
    answer_tokens,
    count_tokens,
    estimate_tokens,
    find_window,
)
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.outgoing import Outgoing
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json, model_calls
from moagraph.prompts import numbered, read

SAFETY = 0.9  # of a window, as tokens are only estimated
MAX_SHORTENINGS = 8


@dataclass(frozen=True)
class PromptArguments:
    """What fills a node's prompt.

    Attributes:
        texts: Texts in place of the answers that the node reads.
        values: The prompt's other variables.
        prompt: Another prompt than that of the node's settings.
        alone: Put everything, the question too, into one message, for models that judge the
            question and do not answer it.
        ordered: Never shuffle the texts.
    """

    texts: Mapping[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    alone: bool = False
    ordered: bool = False


NO_ARGUMENTS = PromptArguments()


class MessageBuilder:
    """Builds what a node sends, for whichever model is called; each part is computed once."""

    def __init__(self, view: NodeView, arguments: PromptArguments = NO_ARGUMENTS) -> None:
        """Bind the arguments of a prompt to a node."""
        self.view = view
        self.arguments = arguments

    async def __call__(self, call: Call) -> Outgoing:
        """Return the messages for this model, shortened if its window is too small."""
        messages = self.messages(self.references)
        tokens = count_tokens(call, messages)
        window = await find_window(call, tokens)
        own = self._own_seat
        order = [seat for seat in self.references if seat != own]
        notes: Json = {"order": order} if order and any(self._reading.values()) else {}
        if window is not None:
            self._check_question_fits(call, window)
        if window is None or not self.references:
            return Outgoing(messages, notes)
        if tokens + answer_tokens(call, window) <= SAFETY * window:
            return Outgoing(messages, notes)
        removed = self._fit(call, window)
        return Outgoing(self.shortened_messages(removed), {**notes, "shortened": removed})

    async def fits(self, call: Call) -> bool:
        """Tell whether everything fits the model's window unshortened."""
        try:
            return "shortened" not in (await self(call)).notes
        except UsageError:
            return False

    @cached_property
    def references(self) -> dict[str, str]:
        """What the node reads, by seat, in the order of its numbers, as it may be shown."""
        texts = self.view.answers if self.arguments.texts is None else self.arguments.texts
        stripped = {seat: text.strip() for seat, text in texts.items()}
        salt, name = self.view.recipe.get("salt", ""), self.view.spec.name
        if self._reading.get("anonymise"):
            models = _model_names(self.view.recipe)
            stripped = {seat: hide_model_names(text, models) for seat, text in stripped.items()}
        if self._reading.get("fence"):
            marker = boundary(salt, name)
            stripped = {seat: clean_for_fence(text, marker) for seat, text in stripped.items()}
        is_shuffled = self._reading.get("shuffle") and not self.arguments.ordered
        order = shuffle_seats(stripped, salt, name) if is_shuffled else list(stripped)
        return {seat: stripped[seat] for seat in order}

    def shortened_messages(self, removed: Mapping[str, int]) -> list[AnyMessage]:
        """Return the messages with so many characters removed from these seats' answers."""
        texts = {
            seat: cut_middle(text, removed.get(seat, 0)) for seat, text in self.references.items()
        }
        return self.messages(texts)

    def messages(self, texts: Mapping[str, str]) -> list[AnyMessage]:
        """Return the conversation with the prompt and these texts as references."""
        if not texts and self.arguments == NO_ARGUMENTS:
            return self._conversation
        values, own = self.arguments.values, self._own_seat
        others = [text for seat, text in texts.items() if seat != own]
        references = self._format_references(others) if others else ""
        if own is not None:
            if not others:
                return self._conversation
            return with_own_answer(
                self._conversation, texts[own], self._prompt, references, **values
            )
        is_single = self.arguments.alone or self._reading.get("alone")
        compose = as_single_message if is_single else with_system_prompt
        return compose(self._conversation, self._prompt, references, **values)

    def to_record(self) -> Json:
        """Return the arguments as a call's record stores them; known texts by their seats."""
        arguments = self.arguments
        record: Json = {"alone": arguments.alone}
        if arguments.texts is not None:
            known = self.view.answers
            new = {seat: text for seat, text in arguments.texts.items() if known.get(seat) != text}
            record |= {"seats": list(arguments.texts), **({"texts": new} if new else {})}
        if arguments.values:
            record["values"] = dict(arguments.values)
        if arguments.prompt:
            record["prompt"] = arguments.prompt
        if arguments.ordered:
            record["ordered"] = True
        return record

    @classmethod
    def from_record(cls, view: NodeView, record: Json) -> "MessageBuilder":
        """Return the builder of a stored call, while the state is still as it was."""
        known = {**view.answers, **record.get("texts", {})}
        texts = {seat: known[seat] for seat in record["seats"]} if "seats" in record else None
        values, prompt = record.get("values", {}), record.get("prompt")
        ordered = record.get("ordered", False)
        return cls(view, PromptArguments(texts, values, prompt, record["alone"], ordered))

    @cached_property
    def _conversation(self) -> list[AnyMessage]:
        """The conversation; a model that is to answer also gets the passages."""
        if self.arguments.alone:
            return conversation_of(self.view)
        return conversation_with_passages(self.view)

    @cached_property
    def _prompt(self) -> str:
        name = self.arguments.prompt or self.view.settings["prompt"]
        return self.view.recipe["prompts"].get(name) or read(name)

    @cached_property
    def _reading(self) -> Json:
        """The settings of how answers are shown to this node."""
        settings = self.view.settings
        return {key: settings[key] for key in Reading.model_fields if settings.get(key)}

    @property
    def _own_seat(self) -> str | None:
        """The seat's own answer among those that it reads, if it debates with the others."""
        seat = self.view.spec.seat
        debates = seat and self.view.settings.get("debate")
        return seat if debates and seat in self.references else None

    def _format_references(self, texts: list[str]) -> str:
        if not self._reading.get("fence"):
            return numbered(texts)
        marker = boundary(self.view.recipe["salt"], self.view.spec.name)
        return fence_texts(texts, marker, self.view.recipe["prompts"].get(FENCE) or read(FENCE))

    def _check_question_fits(self, call: Call, window: int) -> None:
        if count_tokens(call, self._conversation) < window:
            return
        is_plain = self._conversation == conversation_of(self.view)
        subject = "the question does" if is_plain else "the question and its passages do"
        raise UsageError(f"{subject} not fit {_describe_window(call, window)}")

    def _fit(self, call: Call, window: int) -> dict[str, int]:
        """Return how many characters to remove from each seat's answer, so that all fit."""
        free = SAFETY * window - answer_tokens(call, window)
        empty = dict.fromkeys(self.references, "")
        room = free - count_tokens(call, self.messages(empty))
        for _ in range(MAX_SHORTENINGS):
            removed = _characters_to_remove(self.references, room)
            excess = count_tokens(call, self.shortened_messages(removed)) - free
            if excess <= 0:
                return removed
            room -= excess
        raise UsageError(
            f"{len(self.references)} answers and the question do not fit "
            f"{_describe_window(call, window)}"
        )


def grade_values(view: NodeView, texts: Mapping[str, str]) -> dict[str, str]:
    """Return earlier steps' grades of the answers, by number, for a prompt that uses them."""
    prompt = view.recipe["prompts"].get(view.settings["prompt"], "")
    if "grades" not in prompt or not texts or view.spec.reads is None:
        return {}
    grades: dict[str, str] = {}
    for node in view.spec.reads[1]:
        grades |= view.records.get(node, {}).get("grades", {})
    order = MessageBuilder(view, PromptArguments(texts)).references
    lines = (f"\n{number}. {grades.get(seat, '-')}" for number, seat in enumerate(order, 1))
    return {"grades": "".join(lines)}


def _characters_to_remove(texts: Mapping[str, str], room: float) -> dict[str, int]:
    sizes = [estimate_tokens(text) for text in texts.values()]
    removed = {}
    shares = fair_shares(sizes, room)
    for (seat, text), size, share in zip(texts.items(), sizes, shares, strict=True):
        if share < size:
            remaining = int(len(text) * share / size) - len(omission_mark(len(text))) - 2
            removed[seat] = len(text) - max(remaining, 0)
    return removed


def _model_names(recipe: Json) -> list[str]:
    calls = model_calls(recipe)
    fallbacks = [fallback for call in calls for fallback in call.get("fallbacks", [])]
    return [call["model"] for call in (*calls, *fallbacks)]


def _describe_window(call: Call, window: int) -> str:
    return (
        f"the window of `{call.model}`, {window:,} tokens: shorten it, take another model, "
        "or say its `context_window`"
    )
