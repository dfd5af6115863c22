"""Restore: the answer's placeholders are looked after, and mean their originals again.

What is kept still holds placeholders; the originals are put in where the answer leaves the graph.
"""

import asyncio
from typing import Any, ClassVar, Literal

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.privacy import vault
from moagraph.nodes.privacy.boundary import covered
from moagraph.nodes.privacy.placeholders import made_up, named, owner_of, tidied
from moagraph.nodes.state import Json, State
from moagraph.nodes.step_support.base import AFTER, Step, Update


class Restore(Step):
    """The step has no settings."""

    positions: ClassVar[tuple[str, ...]] = (AFTER,)
    restores: ClassVar[bool] = True

    step: Literal["restore"] = "restore"

    async def run(self, view: NodeView) -> Update:
        """Spell the placeholders right, mark those that nobody gave, and say which are lost."""
        [(by, text)] = view.answers.items()
        token = view.recipe["vault"]
        told, record = await asyncio.to_thread(_restored, view.state, token, text)
        message = message_of_text(told, str(view.records.get(by, {}).get("kind", "ok")))
        left = {"steps": {view.spec.name: {**record, "text": told}}}
        return {**left, "messages": [covered(message, told, token)]}




def _restored(state: State, token: str, text: str) -> tuple[str, Json]:
    safe = vault.opened(token)
    told = [str(message.text) for message in state["messages"]]
    asked = [str(s["question"]) for s in state["steps"].values() if "question" in s] or told[-1:]
    given = {name for said in (*told, *asked) for name in named(said)}
    given |= {f"<{owner_of(name)}>" for name in given}
    known = {name: value for name, value in safe.values.items() if name in given}
    tidy = tidied(text, known)
    lost = [name for name in named(asked[-1]) if name not in named(tidy.text)]
    vault.settle(safe)
    record: Json = {"restored": len(set(named(tidy.text)) & set(known)), "mangled": tidy.mangled}
    record |= {"lost": lost, "invented": tidy.invented}
    return _flagged(tidy.text, tidy.invented), record


def _flagged(text: str, invented: list[str]) -> str:
    """What was made up is said to be, below the answer."""
    if not invented:
        return text
    shown = ", ".join(map(made_up, invented))
    return f"{text}\n\n[Made up by the model, and standing for nothing: {shown}]"
