"""Whose tokens are heard as they come: where nobody listens to a node, its answer comes whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import ensure_config
from langgraph.constants import TAG_NOSTREAM

# Set by a caller who hears only nodes of that role; the tokens of all others cost time in vain.
ONLY: ContextVar[str | None] = ContextVar("only_heard", default=None)
# Set around a call of the answering node that is not the answer yet.
SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent(on: bool = True) -> Iterator[None]:
    """Nobody hears what models say in here."""
    token = SILENT.set(on or SILENT.get())
    try:
        yield
    finally:
        SILENT.reset(token)


def as_heard(chat: BaseChatModel, streamed: bool = False) -> BaseChatModel:
    """The model, streaming only if the running node is listened to.

    Args:
        chat: The model.
        streamed: Stream in any case, so that an answer can be stopped; others do not see it.
    """
    only = ONLY.get()
    is_seen = only is None or ensure_config().get("metadata", {}).get("role") == only
    changes: dict[str, Any] = {}
    if SILENT.get() or (streamed and not is_seen):
        changes["tags"] = [*(chat.tags or []), TAG_NOSTREAM]
    if streamed and "streaming" in type(chat).model_fields:
        changes["streaming"] = True
    elif SILENT.get() or not is_seen:
        changes["disable_streaming"] = True
    return chat.model_copy(update=changes) if changes else chat
