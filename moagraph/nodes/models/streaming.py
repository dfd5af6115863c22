"""Whose tokens are heard as they come: where nobody listens to a node, its answer comes whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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


def as_heard(chat: BaseChatModel) -> BaseChatModel:
    """The model, streaming only if the running node is listened to."""
    if SILENT.get():
        unheard = {"disable_streaming": True, "tags": [*(chat.tags or []), TAG_NOSTREAM]}
        return chat.model_copy(update=unheard)
    only = ONLY.get()
    if only is None or ensure_config().get("metadata", {}).get("role") == only:
        return chat
    return chat.model_copy(update={"disable_streaming": True})
