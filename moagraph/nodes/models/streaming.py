"""Which nodes stream tokens: a node without a listener requests its answer in one piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import ensure_config
from langgraph.constants import TAG_NOSTREAM

# Set by a caller who reads only nodes of that role; streaming the others would waste time.
ONLY: ContextVar[str | None] = ContextVar("only_heard", default=None)
# Set around a call of the answering node whose text is not the answer.
SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent(on: bool = True) -> Iterator[None]:
    """Do not stream the calls in this block."""
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
        # LangGraph emits the tokens of any model that lacks this tag.
        changes["tags"] = [*(chat.tags or []), TAG_NOSTREAM]
    if streamed and "streaming" in type(chat).model_fields:
        changes["streaming"] = True
    elif SILENT.get() or not is_seen:
        changes["disable_streaming"] = True
    # A copy, as the model is shared by all calls of the loop with the same settings.
    return chat.model_copy(update=changes) if changes else chat
