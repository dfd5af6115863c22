"""Compress: keep of long texts what the question asks for, and tell how much that is."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from langchain_core.messages import AnyMessage, HumanMessage
from pydantic import AfterValidator, Field, model_validator

from moagraph.nodes.resources import MODEL, Names, Prompt
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.address import split
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.outgoing import BuildMessages, Outgoing
from moagraph.nodes.messages.window import answer_tokens, count_tokens, estimate_tokens, find_window
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.fence import boundary, clean_for_fence
from moagraph.nodes.messages.context import conversation_of
from moagraph.nodes.texts.words import split_words
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import AGGREGATE, BEFORE, Step, Update
from moagraph.nodes.texts.extract import split_ends, extract
from moagraph.nodes.messages.shorten import cut_middle
from moagraph.prompts import fill, read

SHORT = 400  # characters that no ratio is applied to


def _named(model: str) -> str:
    split(model)
    return model


class Compress(Call, Step):
    """How much is kept, and who shortens: sentences are picked, or a model writes a summary."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE, AGGREGATE)
    prompt_variables: ClassVar[tuple[str, ...]] = ("asked", "original", "words", "boundary")

    step: Literal["compress"] = "compress"
    by: Literal["extract", "summary"] = "extract"
    ratio: float | None = Field(None, gt=0, lt=1, description="The share that is kept (0.5).")
    max_words: int | None = Field(None, ge=1, description="The words of each text that are kept.")
    model: Annotated[Annotated[str, AfterValidator(_named)] | None, Names(MODEL)] = None  # type: ignore[assignment]
    prompt: Prompt = Field("compress", description="A prompt's name, a path, or the text.")

    @model_validator(mode="after")
    def _fits(self) -> "Compress":
        if (self.by == "summary") != (self.model is not None):
            raise ValueError('by = "summary" needs a `model`, and by = "extract" asks none')
        if self.ratio is not None and self.max_words is not None:
            raise ValueError("`ratio` and `max_words` both say how much is kept: give one")
        return self

    def call_count(self, seats: int) -> int:
        """One for each text, where a model writes."""
        return seats if self.by == "summary" else 0

    def most(self, text: str) -> int:
        """The characters that are kept of a text: all, where it is short as it is."""
        if self.max_words is None:
            return len(text) if len(text) <= SHORT else int(len(text) * (self.ratio or 0.5))
        return int(len(text) * min(1.0, self.max_words / max(len(split_words(text)), 1)))

    async def run(self, view: NodeView) -> Update:
        """Shorten the question ahead of the layers, and the answers between them."""
        if view.spec.layer and view.layer_skipped:
            return {}
        whole = question_of(conversation_of(view))
        if view.spec.layer:
            texts = view.answers
            short, record = await _shortened(view, self, texts, whole)
            return {"steps": {view.spec.name: {**record, "texts": short}}}
        if not isinstance(_asking(view).content, str):
            why = "it holds more than text"
            return {"steps": {view.spec.name: {"ratio": 1.0, "whole": ["input"], "why": why}}}
        first, middle, last = split_ends(whole)
        short, record = await _shortened(view, self, {"input": middle}, f"{first}\n{last}")
        if short["input"] != middle:
            parts = (first, short["input"], last)
            record["question"] = "\n\n".join(part for part in parts if part)
        return {"steps": {view.spec.name: record}}




def _asking(view: NodeView) -> AnyMessage:
    messages = reversed(conversation_of(view))
    return next(message for message in messages if isinstance(message, HumanMessage))


async def _shortened(
    view: NodeView, step: Compress, texts: Mapping[str, str], asked: str
) -> tuple[dict[str, str], Json]:
    """The texts, and what the record says of them; whatever does not get shorter stays."""
    if step.by == "extract":
        short = {
            name: await asyncio.to_thread(extract, text, asked, step.most(text))
            for name, text in texts.items()
        }
        return short, _told(texts, short)
    long = {name: text for name, text in texts.items() if step.most(text) < len(text)}
    replies = await asyncio.gather(
        *(_summary(view, step, name, text, asked) for name, text in long.items())
    )
    came = dict(zip(long, replies, strict=True))
    written = {name: _marked(reply.text, texts[name]) for name, reply in came.items() if reply.ok}
    short = {
        name: written[name] if len(written.get(name, text)) < len(text) else text
        for name, text in texts.items()
    }
    return short, {**_told(texts, short), "calls": {n: r.record() for n, r in came.items()}}


def _told(texts: Mapping[str, str], short: Mapping[str, str]) -> Json:
    """The share that is left, in characters and in tokens as they are estimated."""
    before, after = sum(map(len, texts.values())), sum(map(len, short.values()))
    tokens = [round(sum(map(estimate_tokens, some.values()))) for some in (texts, short)]
    return {
        "ratio": round(after / before, 3) if before else 1.0,
        "characters": {"before": before, "after": after},
        "tokens": {"before": tokens[0], "after": tokens[1]},
        "whole": [name for name in texts if short[name] == texts[name]],
    }


def _marked(summary: str, text: str) -> str:
    return f"[… a summary of {len(text):,} characters …]\n{summary.strip()}"


async def _summary(
    view: NodeView, step: Compress, name: str, text: str, asked: str
) -> Reply:
    heard = _heard(view, step, text, asked)
    key = view.cache_key
    call = within(view.state, step, beside=1)
    return await ask(call, heard, view.concurrency, key and f"{key}.{name}")


def _heard(view: NodeView, step: Compress, text: str, asked: str) -> BuildMessages:
    """The prompt with the text, shortened where it does not fit the model's window."""
    sign = boundary(view.recipe["salt"], view.spec.name)
    prompt = view.recipe["prompts"].get(step.prompt) or read(step.prompt)
    values = {"asked": asked.strip(), "words": str(_words(step, text)), "boundary": sign}

    def said(shown: str) -> list[AnyMessage]:
        return [HumanMessage(fill(prompt, step.prompt, original=clean_for_fence(shown, sign), **values))]

    async def heard(call: Call) -> Outgoing:
        tokens = count_tokens(call, said(text))
        most = await find_window(call, tokens)
        over = 0.0 if most is None else tokens - 0.9 * (most - answer_tokens(call, most))
        if over <= 0:
            return Outgoing(said(text))
        left_out = min(len(text), int(len(text) * over / estimate_tokens(text)) + 50)
        return Outgoing(said(cut_middle(text, left_out)), {"shortened": {"text": left_out}})

    return heard


def _words(step: Compress, text: str) -> int:
    share = step.most(text) / max(len(text), 1)
    return step.max_words or max(1, int(len(split_words(text)) * share))
