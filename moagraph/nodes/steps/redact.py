"""Redact: replace private details by placeholders before any model elsewhere sees them."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from langchain_core.messages import AnyMessage, HumanMessage
from pydantic import AfterValidator, Field, model_validator

from moagraph.nodes.context import run_settings
from moagraph.nodes.errors import UsageError
from moagraph.nodes.hooks import STASH
from moagraph.nodes.messages.compose import check_question
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.privacy import presidio, vault
from moagraph.nodes.privacy.boundary import covered, original
from moagraph.nodes.privacy.detection import Found, by_form, by_pattern
from moagraph.nodes.privacy.detection import checked as checked_pattern
from moagraph.nodes.privacy.local_model import listed_by, rewritten_by
from moagraph.nodes.privacy.masking import Hiding
from moagraph.nodes.privacy.placeholders import EXACT, kind_of, named, owner_of
from moagraph.nodes.privacy.spelling_variants import TYPED, Span
from moagraph.nodes.resources import MODEL, Names
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.prompts import read

DENIED, PERSON = "SECRET", "PERSON"
CALL_SETTINGS = {"model", "temperature", "max_tokens", "timeout"}


def _parse_words(words: list[str]) -> list[str]:
    if empty := [word for word in words if not word.strip()]:
        raise ValueError(f"{empty[0]!r} cannot be kept private: say a word")
    return [word.strip() for word in words]


def _parse_patterns(patterns: dict[str, str]) -> dict[str, str]:
    return {kind: checked_pattern(kind, pattern) for kind, pattern in patterns.items()}


class Redact(Step):
    """What is private besides what its form shows: mail addresses, links, numbers, addresses."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE,)
    redacts: ClassVar[bool] = True

    step: Literal["redact"] = "redact"
    mode: Literal["placeholder", "rewrite"] = Field(
        "placeholder", description="Put placeholders, or have a local model rewrite the question."
    )
    people: Annotated[list[str], AfterValidator(_parse_words)] = Field(
        default_factory=list, description="Names of persons; each part of a name is private too."
    )
    deny: Annotated[list[str], AfterValidator(_parse_words)] = Field(
        default_factory=list, description="Words and phrases that must not leave this machine."
    )
    patterns: Annotated[dict[str, str], AfterValidator(_parse_patterns)] = Field(
        default_factory=dict, description="Regular expressions by the kind that they find."
    )
    presidio: bool | None = Field(
        None, description="Whether presidio looks too; left open, where it is installed."
    )
    model: Annotated[str | None, Names(MODEL)] = Field(
        None, description="A local model that lists further names, and rewrites."
    )
    temperature: float | None = Field(0.0, ge=0, le=2, description="0 is steady, 1 is lively.")
    max_tokens: int | None = Field(None, ge=1, description="The longest answer, in tokens.")
    timeout: float = Field(120, gt=0, description="Seconds for one call, attempts included.")

    @model_validator(mode="after")
    def _check_model_is_local(self) -> "Redact":
        if self.model and split(self.model)[0] not in ("local", "scripted"):
            raise ValueError(f"`redact` asks no model elsewhere: {self.model!r} is not `local:…`")
        if self.mode == "rewrite" and not self.model:
            raise ValueError('`mode = "rewrite"` needs a `model = "local:…"` that rewrites')
        return self

    def call_count(self, answers: int) -> int:
        """Return one call that lists names, and one that rewrites."""
        return 0 if not self.model else 2 if self.mode == "rewrite" else 1

    async def run(self, view: NodeView) -> Update:
        """Redact every new text of the conversation; the originals are stored in the vault."""
        if run_settings().get("tools"):
            raise UsageError("a private recipe cannot call tools: they would hear placeholders")
        thread_vault, texts = await asyncio.to_thread(_open_vault, view)
        step = Redact.model_validate({**view.settings, **thread_vault.told})
        calls: Json = {}
        names = dict[str, str]()
        if step.model and texts:
            joined = "\n\n".join(texts.values())
            names, calls["finder"] = await listed_by(view, step._call(), joined)
        messages = await asyncio.to_thread(step._mask, view, thread_vault, texts, names)
        conversation = _merge(view.messages, messages)
        record = step._record(messages, conversation)
        question = _last_question(conversation)
        _check_not_empty(question)
        if step.mode == "rewrite":
            rewritten, call = await rewritten_by(view, step._call(), question, thread_vault)
            calls["rewriter"] = call
            record["rewritten"] = rewritten is not None
            record |= {"question": rewritten} if rewritten else {}
        return {"messages": messages, "steps": {view.spec.name: {**record, "calls": calls}}}

    def _call(self) -> Call:
        return Call.model_validate(self.model_dump(include=CALL_SETTINGS, exclude_none=True))

    def _mask(
        self,
        view: NodeView,
        thread_vault: vault.Vault,
        texts: Mapping[str, str],
        names: Mapping[str, str],
    ) -> list[AnyMessage]:
        """Find the private details of all texts first, then replace each wherever it occurs."""
        hiding = Hiding(thread_vault)
        for kind, words in ((PERSON, self.people), (DENIED, self.deny)):
            for word in words:
                hiding.owner(kind, word)
        for value, kind in names.items():
            hiding.owner(kind, value)
        spans = {id_: hiding.found(text, self._detect(text)) for id_, text in texts.items()}
        masked = [
            (message, _mask_message(message, texts, spans, hiding)) for message in view.messages
        ]
        vault.keep(thread_vault)  # before any placeholder is used
        return [
            covered(message, text, thread_vault.token)
            for message, text in masked
            if text != message.text or message.id in texts
        ]

    def _detect(self, text: str) -> Iterator[Found]:
        """Yield the private details that the text shows by itself."""
        yield from ((TYPED, *match.span()) for match in EXACT.finditer(text))
        yield from by_pattern(text, self.patterns)
        yield from by_form(text)
        if self.presidio:
            presidio.needed()
        if self.presidio or (self.presidio is None and presidio.installed()):
            yield from presidio.by_presidio(text)

    def _record(self, messages: list[AnyMessage], conversation: list[AnyMessage]) -> Json:
        """Return the number of details of each kind, never the details."""
        owners = {owner_of(name) for message in messages for name in named(str(message.text))}
        counts = Counter(map(kind_of, sorted(owners)))
        has_placeholders = any(named(str(message.text)) for message in conversation)
        notice = {"notice": read("placeholders")} if has_placeholders else {}
        return {"mode": self.mode, "found": dict(counts), **notice}


def _open_vault(view: NodeView) -> tuple[vault.Vault, dict[str, str]]:
    """Return the thread's vault, and the originals of the messages that are not yet redacted."""
    thread_vault, messages = vault.opened(view.recipe["vault"]), view.messages
    texts = {
        str(message.id): text for message in messages if (text := original(message)) is not None
    }
    check_question("\n".join(texts.values()) or _last_question(messages))
    tokens = {message.response_metadata.get(STASH) for message in messages}
    tokens -= {None, thread_vault.token}
    thread_vault.others = sorted({*thread_vault.others, *map(str, tokens)})
    return thread_vault, texts


def _mask_message(
    message: AnyMessage,
    texts: Mapping[str, str],
    spans: Mapping[str, list[Span]],
    hiding: Hiding,
) -> str:
    """Return the masked text; earlier messages may hold what only now is known to be private."""
    id_ = str(message.id)
    return hiding.hidden(texts.get(id_, str(message.text)), spans.get(id_, ()))


def _merge(messages: list[AnyMessage], changed: list[AnyMessage]) -> list[AnyMessage]:
    by_id = {message.id: message for message in changed}
    return [by_id.get(message.id, message) for message in messages]


def _last_question(messages: list[AnyMessage]) -> str:
    return next(str(m.text) for m in reversed(messages) if isinstance(m, HumanMessage))


def _check_not_empty(question: str) -> None:
    if not any(character.isalnum() for character in EXACT.sub("", question)):
        raise UsageError(
            "nothing of the question is left to ask once it is redacted: "
            "look at the recipe's `patterns` and `deny`"
        )
