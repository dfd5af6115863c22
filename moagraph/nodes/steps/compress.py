"""Compress: shorten long texts to what the question needs, and record by how much."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from langchain_core.messages import AnyMessage, HumanMessage
from pydantic import AfterValidator, Field, model_validator

from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.messages.fence import boundary, clean_for_fence
from moagraph.nodes.messages.shorten import cut_middle
from moagraph.nodes.messages.window import answer_tokens, count_tokens, estimate_tokens, find_window
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.outgoing import BuildMessages, Outgoing
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import limit_call
from moagraph.nodes.resources import MODEL, Names, Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AGGREGATE, BEFORE, Step, Update
from moagraph.nodes.texts.extract import extract, split_ends
from moagraph.nodes.texts.words import split_words
from moagraph.prompts import fill, read

SHORT = 400  # characters; a ratio is not applied to shorter texts
USABLE_WINDOW = 0.9  # of a model's window, as tokens are only estimated


def _check_model(model: str) -> str:
    split(model)
    return model


class Compress(Call, Step):
    """How much is kept, and how: sentences are selected, or a model writes a summary."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE, AGGREGATE)
    prompt_variables: ClassVar[tuple[str, ...]] = ("asked", "original", "words", "boundary")

    step: Literal["compress"] = "compress"
    by: Literal["extract", "summary"] = "extract"
    ratio: float | None = Field(None, gt=0, lt=1, description="The share that is kept (0.5).")
    max_words: int | None = Field(None, ge=1, description="The words of each text that are kept.")
    model: Annotated[Annotated[str, AfterValidator(_check_model)] | None, Names(MODEL)] = None  # type: ignore[assignment]
    prompt: Prompt = Field("compress", description="A prompt's name, a path, or the text.")

    @model_validator(mode="after")
    def _check_settings(self) -> "Compress":
        if (self.by == "summary") != (self.model is not None):
            raise ValueError('by = "summary" needs a `model`, and by = "extract" asks none')
        if self.ratio is not None and self.max_words is not None:
            raise ValueError("`ratio` and `max_words` both say how much is kept: give one")
        return self

    def call_count(self, answers: int) -> int:
        """Return one call for each text if a model writes summaries."""
        return answers if self.by == "summary" else 0

    def character_limit(self, text: str) -> int:
        """Return how many characters of a text are kept: all of a short one."""
        if self.max_words is None:
            return len(text) if len(text) <= SHORT else int(len(text) * (self.ratio or 0.5))
        return int(len(text) * min(1.0, self.max_words / max(len(split_words(text)), 1)))

    async def run(self, view: NodeView) -> Update:
        """Shorten the question before the first layer, the answers between layers."""
        if view.spec.layer and view.layer_skipped:
            return {}
        question = question_of(conversation_of(view))
        if view.spec.layer:
            short, record = await self._shorten(view, view.answers, question)
            return {"steps": {view.spec.name: {**record, "texts": short}}}
        if not isinstance(_last_question(view).content, str):
            reason = "it holds more than text"
            return {"steps": {view.spec.name: {"ratio": 1.0, "whole": ["input"], "why": reason}}}
        first, middle, last = split_ends(question)
        short, record = await self._shorten(view, {"input": middle}, f"{first}\n{last}")
        if short["input"] != middle:
            parts = (first, short["input"], last)
            record["question"] = "\n\n".join(part for part in parts if part)
        return {"steps": {view.spec.name: record}}

    async def _shorten(
        self, view: NodeView, texts: Mapping[str, str], question: str
    ) -> tuple[dict[str, str], Json]:
        """Return the shortened texts and their record; a text that gets no shorter is kept."""
        if self.by == "extract":
            short = {
                name: await asyncio.to_thread(extract, text, question, self.character_limit(text))
                for name, text in texts.items()
            }
            return short, _record(texts, short)
        long = {
            name: text for name, text in texts.items() if self.character_limit(text) < len(text)
        }
        results = await asyncio.gather(
            *(self._summarize(view, name, text, question) for name, text in long.items())
        )
        replies = dict(zip(long, results, strict=True))
        summaries = {
            name: _label(reply.text, texts[name]) for name, reply in replies.items() if reply.ok
        }
        short = {
            name: min(text, summaries.get(name, text), key=len) for name, text in texts.items()
        }
        calls = {name: reply.record() for name, reply in replies.items()}
        return short, {**_record(texts, short), "calls": calls}

    async def _summarize(self, view: NodeView, name: str, text: str, question: str) -> Reply:
        messages = self._message_builder(view, text, question)
        key = view.cache_key
        return await ask(
            limit_call(view.state, self), messages, view.concurrency, key and f"{key}.{name}"
        )

    def _message_builder(self, view: NodeView, text: str, question: str) -> BuildMessages:
        """Return what builds the prompt; a text that exceeds the model's window is cut."""
        fence = boundary(view.recipe["salt"], view.spec.name)
        prompt = view.recipe["prompts"].get(self.prompt) or read(self.prompt)
        words = str(self._word_limit(text))

        def fill_prompt(original: str) -> list[AnyMessage]:
            filled = fill(
                prompt,
                self.prompt,
                original=clean_for_fence(original, fence),
                asked=question.strip(),
                words=words,
                boundary=fence,
            )
            return [HumanMessage(filled)]

        async def build(call: Call) -> Outgoing:
            messages = fill_prompt(text)
            tokens = count_tokens(call, messages)
            window = await find_window(call, tokens)
            if window is None:
                return Outgoing(messages)
            excess = tokens - USABLE_WINDOW * (window - answer_tokens(call, window))
            if excess <= 0:
                return Outgoing(messages)
            cut = min(len(text), int(len(text) * excess / estimate_tokens(text)) + 50)
            return Outgoing(fill_prompt(cut_middle(text, cut)), {"shortened": {"text": cut}})

        return build

    def _word_limit(self, text: str) -> int:
        share = self.character_limit(text) / max(len(text), 1)
        return self.max_words or max(1, int(len(split_words(text)) * share))


def _last_question(view: NodeView) -> AnyMessage:
    messages = reversed(conversation_of(view))
    return next(message for message in messages if isinstance(message, HumanMessage))


def _record(texts: Mapping[str, str], short: Mapping[str, str]) -> Json:
    """Return the share that is kept, in characters and in estimated tokens."""
    before, after = sum(map(len, texts.values())), sum(map(len, short.values()))
    tokens = [round(sum(map(estimate_tokens, group.values()))) for group in (texts, short)]
    return {
        "ratio": round(after / before, 3) if before else 1.0,
        "characters": {"before": before, "after": after},
        "tokens": {"before": tokens[0], "after": tokens[1]},
        "whole": [name for name in texts if short[name] == texts[name]],
    }


def _label(summary: str, text: str) -> str:
    return f"[… a summary of {len(text):,} characters …]\n{summary.strip()}"
