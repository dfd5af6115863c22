"""Redact: private details stay on this machine, and models elsewhere hear placeholders."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from langchain_core.messages import AnyMessage, HumanMessage
from pydantic import AfterValidator, Field, model_validator

from moagraph.nodes.resources import MODEL, Names
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.context import run_settings
from moagraph.nodes.messages.compose import check_question
from moagraph.nodes.errors import UsageError
from moagraph.nodes.privacy import presidio
from moagraph.nodes.privacy import vault
from moagraph.nodes.privacy.local_model import listed_by, rewritten_by
from moagraph.nodes.hooks import STASH
from moagraph.nodes.privacy.boundary import covered, original
from moagraph.nodes.privacy.detection import Found, by_form, by_pattern
from moagraph.nodes.privacy.detection import checked as checked_pattern
from moagraph.nodes.privacy.local_model import listed_by, rewritten_by
from moagraph.nodes.privacy.masking import Hiding
from moagraph.nodes.privacy.placeholders import EXACT, kind_of, named, owner_of
from moagraph.nodes.privacy.spelling_variants import TYPED, Span
from moagraph.nodes.state import Json, State
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.prompts import read

DENIED, PERSON = "SECRET", "PERSON"
OWN = {"model", "temperature", "max_tokens", "timeout"}


def _words(said: list[str]) -> list[str]:
    if empty := [word for word in said if not word.strip()]:
        raise ValueError(f"{empty[0]!r} cannot be kept private: say a word")
    return [word.strip() for word in said]


def _patterns(said: dict[str, str]) -> dict[str, str]:
    return {kind: checked_pattern(kind, pattern) for kind, pattern in said.items()}


class Redact(Step):
    """What is private, beside what shows by its form: mails, links, numbers, addresses."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE,)
    redacts: ClassVar[bool] = True

    step: Literal["redact"] = "redact"
    mode: Literal["placeholder", "rewrite"] = Field(
        "placeholder", description="Put placeholders, or have a local model rewrite the question."
    )
    people: Annotated[list[str], AfterValidator(_words)] = Field(
        default_factory=list, description="Names of persons; each part of a name is private too."
    )
    deny: Annotated[list[str], AfterValidator(_words)] = Field(
        default_factory=list, description="Words and phrases that must not leave this machine."
    )
    patterns: Annotated[dict[str, str], AfterValidator(_patterns)] = Field(
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
    def _at_home(self) -> "Redact":
        if self.model and split(self.model)[0] not in ("local", "scripted"):
            raise ValueError(f"`redact` asks no model elsewhere: {self.model!r} is not `local:…`")
        if self.mode == "rewrite" and not self.model:
            raise ValueError('`mode = "rewrite"` needs a `model = "local:…"` that rewrites')
        return self

    def call_count(self, seats: int) -> int:
        """One that lists names, and one that rewrites."""
        return 0 if not self.model else 2 if self.mode == "rewrite" else 1

    async def run(self, view: NodeView) -> Update:
        """Put placeholders into all that is not redacted yet; the originals go into the vault."""
        if run_settings().get("tools"):
            raise UsageError("a private recipe cannot call tools: they would hear placeholders")
        safe, texts = await asyncio.to_thread(_opened, view.state)
        step = Redact.model_validate({**view.settings, **safe.told})
        calls: Json = {}
        listed = dict[str, str]()
        if step.model and texts:
            every = "\n\n".join(texts.values())
            listed, calls["finder"] = await listed_by(view, _call(step), every)
        messages = await asyncio.to_thread(_hidden, view.state, step, safe, texts, listed)
        said = _merged(view.messages, messages)
        record = _record(step, messages, said)
        question = _question(said)
        _check_left(question)
        if step.mode == "rewrite":
            told, calls["rewriter"] = await rewritten_by(view, _call(step), question, safe)
            record |= {"rewritten": told is not None, **({"question": told} if told else {})}
        return {"messages": messages, "steps": {view.spec.name: {**record, "calls": calls}}}




def _opened(state: State) -> tuple[vault.Vault, dict[str, str]]:
    """The thread's vault, and the originals of the messages that are still to be redacted."""
    safe, said = vault.opened(state["recipe"]["vault"]), state["messages"]
    texts = {str(m.id): text for m in said if (text := original(m)) is not None}
    check_question("\n".join(texts.values()) or _question(said))
    tokens = {message.response_metadata.get(STASH) for message in said} - {None, safe.token}
    safe.others = sorted({*safe.others, *map(str, tokens)})
    return safe, texts


def _hidden(
    state: State, step: Redact, safe: vault.Vault, texts: dict[str, str], listed: Mapping[str, str]
) -> list[AnyMessage]:
    """Know all private details first, then put placeholders wherever one stands."""
    hiding = Hiding(safe)
    for kind, words in ((PERSON, step.people), (DENIED, step.deny)):
        for word in words:
            hiding.owner(kind, word)
    for value, kind in listed.items():
        hiding.owner(kind, value)
    found = {id_: hiding.found(text, _finds(step, text)) for id_, text in texts.items()}
    told = [(m, _hidden_in(m, texts, found, hiding)) for m in state["messages"]]
    vault.keep(safe)  # before anything says its placeholders
    return [covered(m, said, safe.token) for m, said in told if said != m.text or m.id in texts]


def _hidden_in(
    message: AnyMessage,
    texts: Mapping[str, str],
    found: Mapping[str, list[Span]],
    hiding: Hiding,
) -> str:
    """A message of an earlier turn may hold what is known to be private only now."""
    id_ = str(message.id)
    return hiding.hidden(texts.get(id_, str(message.text)), found.get(id_, ()))


def _finds(step: Redact, text: str) -> Iterator[Found]:
    yield from ((TYPED, *found.span()) for found in EXACT.finditer(text))
    yield from by_pattern(text, step.patterns)
    yield from by_form(text)
    if step.presidio:
        presidio.needed()
    if step.presidio or (step.presidio is None and presidio.installed()):
        yield from presidio.by_presidio(text)


def _merged(said: list[AnyMessage], messages: list[AnyMessage]) -> list[AnyMessage]:
    now = {message.id: message for message in messages}
    return [now.get(message.id, message) for message in said]


def _record(step: Redact, messages: list[AnyMessage], every: list[AnyMessage]) -> Json:
    """What was found, by kind; never what it was."""
    owners = {owner_of(name) for message in messages for name in named(str(message.text))}
    found = Counter(map(kind_of, sorted(owners)))
    known = any(named(str(message.text)) for message in every)
    notice = {"notice": read("placeholders")} if known else {}
    return {"mode": step.mode, "found": dict(found), **notice}


def _question(messages: list[AnyMessage]) -> str:
    return next(str(m.text) for m in reversed(messages) if isinstance(m, HumanMessage))


def _check_left(question: str) -> None:
    if not any(sign.isalnum() for sign in EXACT.sub("", question)):
        raise UsageError(
            "nothing of the question is left to ask once it is redacted: "
            "look at the recipe's `patterns` and `deny`"
        )


def _call(step: Redact) -> Call:
    return Call.model_validate(step.model_dump(include=OWN, exclude_none=True))
