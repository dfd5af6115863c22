"""What a model at home does for the border: it lists names, and rewrites a question."""

import re

from langchain_core.messages import HumanMessage

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.budget import within
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.outgoing import Outgoing
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.privacy.boundary import leaks
from moagraph.nodes.privacy.placeholders import named
from moagraph.nodes.privacy.vault import Vault
from moagraph.nodes.state import Json
from moagraph.prompts import render

LISTED = re.compile(r"^[\s*\-\d.)]*([A-Za-z_ ]{2,20})\s*[:=]\s*[\"'“`]?(.+?)[\"'”`.]?\s*$")


async def listed_by(
    view: NodeView, call: Call, text: str
) -> tuple[dict[str, str], Json]:
    """The names that the local model sees in the text; its words are kept nowhere."""
    reply, record = await _asked(view, call, render("find_private", said=text))
    lines = [LISTED.match(line) for line in reply.splitlines()]
    said = {found[2].strip(): _kind(found[1]) for found in lines if found}
    listed = {value: kind for value, kind in said.items() if _telling(value, text)}
    return listed, {**record, "text": "", "parsed": bool(listed) or "none" in reply.lower()}


async def rewritten_by(
    view: NodeView, call: Call, question: str, safe: Vault
) -> tuple[str | None, Json]:
    """The question anew, if it gives nothing away; its placeholders may be gone."""
    reply, record = await _asked(view, call, render("rewrite_private", question=question))
    text = reply.strip()
    good = bool(text) and not leaks([text], safe.values)
    good = good and all(name in safe.values for name in named(text))
    return (text if good else None), {**record, "text": text if good else "", "parsed": good}


async def _asked(view: NodeView, call: Call, prompt: str) -> tuple[str, Json]:
    """Never from the cache and never into it: that would keep the originals."""

    async def heard(_: Call) -> Outgoing:
        return Outgoing([HumanMessage(prompt)])

    reply = await ask(within(view.state, call), heard)
    if not reply.ok:
        record = {**reply.record(), "text": ""}
        raise StepFailed(f"`{view.spec.name}` got no answer from `{call.model}`: {reply.error}", record)
    return reply.text, dict(reply.record())


def _kind(said: str) -> str:
    word = re.sub(r"[^A-Z]+", "_", said.upper()).strip("_")
    return word if word in ("PERSON", "PLACE", "ORGANISATION") else "DETAIL"


def _telling(value: str, text: str) -> bool:
    """Whether it stands in the text and is more than a plain word."""
    plain = value.islower() and value.isascii()
    return 2 <= len(value) <= 80 and value in text and value != text.strip() and not plain
