"""Privacy work of a local model: list private names, and rewrite a question without them."""

import re

from langchain_core.messages import HumanMessage

from moagraph.nodes.errors import StepFailed
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.outgoing import Outgoing
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import limit_call
from moagraph.nodes.privacy.boundary import leaks
from moagraph.nodes.privacy.placeholders import named
from moagraph.nodes.privacy.vault import Vault
from moagraph.nodes.state import Json
from moagraph.prompts import render

LIST_ITEM = re.compile(r"^[\s*\-\d.)]*([A-Za-z_ ]{2,20})\s*[:=]\s*[\"'“`]?(.+?)[\"'”`.]?\s*$")


async def listed_by(view: NodeView, call: Call, text: str) -> tuple[dict[str, str], Json]:
    """Ask the local model for the private names in a text.

    The record has no text: the reply repeats the originals, and records are stored.
    """
    reply, record = await _ask_uncached(view, call, render("find_private", said=text))
    lines = [LIST_ITEM.match(line) for line in reply.splitlines()]
    kinds = {line[2].strip(): _kind(line[1]) for line in lines if line}
    listed = {value: kind for value, kind in kinds.items() if _is_specific(value, text)}
    return listed, {**record, "text": "", "parsed": bool(listed) or "none" in reply.lower()}


async def rewritten_by(
    view: NodeView, call: Call, question: str, safe: Vault
) -> tuple[str | None, Json]:
    """Ask the local model to rewrite a question; None if the result would leak a detail."""
    reply, record = await _ask_uncached(view, call, render("rewrite_private", question=question))
    text = reply.strip()
    good = bool(text) and not leaks([text], safe.values)
    # An invented placeholder could never be restored.
    good = good and all(name in safe.values for name in named(text))
    return (text if good else None), {**record, "text": text if good else "", "parsed": good}


async def _ask_uncached(view: NodeView, call: Call, prompt: str) -> tuple[str, Json]:
    """Call the model without the answer cache, which would store the originals."""

    async def build(_: Call) -> Outgoing:
        return Outgoing([HumanMessage(prompt)])

    reply = await ask(limit_call(view.state, call), build)
    if not reply.ok:
        record = {**reply.record(), "text": ""}
        raise StepFailed(
            f"`{view.spec.name}` got no answer from `{call.model}`: {reply.error}", record
        )
    return reply.text, dict(reply.record())


def _kind(label: str) -> str:
    word = re.sub(r"[^A-Z]+", "_", label.upper()).strip("_")
    return word if word in ("PERSON", "PLACE", "ORGANISATION") else "DETAIL"


def _is_specific(value: str, text: str) -> bool:
    """Return whether the value is in the text and is more than a lower-case word."""
    plain = value.islower() and value.isascii()
    return 2 <= len(value) <= 80 and value in text and value != text.strip() and not plain
