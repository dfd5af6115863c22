"""Restore: check and repair the placeholders in the answer.

Stored messages keep the placeholders; the originals are put in only where the answer leaves the
graph.
"""

import asyncio
from typing import ClassVar, Literal

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.privacy import vault
from moagraph.nodes.privacy.boundary import covered
from moagraph.nodes.privacy.placeholders import made_up, named, owner_of, tidied
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import AFTER, Step, Update


class Restore(Step):
    """The step has no settings."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)
    restores: ClassVar[bool] = True

    step: Literal["restore"] = "restore"

    async def run(self, view: NodeView) -> Update:
        """Repair misspelled placeholders, mark invented ones, and record lost ones."""
        [(node, answer)] = view.answers.items()
        token = view.recipe["vault"]
        text, record = await asyncio.to_thread(_repair, view, token, answer)
        message = message_of_text(text, str(view.records.get(node, {}).get("kind", "ok")))
        update: Update = {"steps": {view.spec.name: {**record, "text": text}}}
        return {**update, "messages": [covered(message, text, token)]}


def _repair(view: NodeView, token: str, answer: str) -> tuple[str, Json]:
    """Return the answer with its placeholders repaired, and what was done to them."""
    thread_vault = vault.opened(token)
    texts = [str(message.text) for message in view.messages]
    questions = [
        str(record["question"]) for record in view.records.values() if "question" in record
    ]
    questions = questions or texts[-1:]
    allowed = {name for text in (*texts, *questions) for name in named(text)}
    allowed |= {f"<{owner_of(name)}>" for name in allowed}
    values = {name: value for name, value in thread_vault.values.items() if name in allowed}
    tidy = tidied(answer, values)
    used = named(tidy.text)
    vault.settle(thread_vault)
    record: Json = {
        "restored": len(set(used) & set(values)),
        "mangled": tidy.mangled,
        "lost": [name for name in named(questions[-1]) if name not in used],
        "invented": tidy.invented,
    }
    return _mark_invented(tidy.text, tidy.invented), record


def _mark_invented(text: str, invented: list[str]) -> str:
    """List below the answer the placeholders that the model made up."""
    if not invented:
        return text
    names = ", ".join(map(made_up, invented))
    return f"{text}\n\n[Made up by the model, and standing for nothing: {names}]"
