"""Whose tokens are heard as they come: where nobody listens to a node, its answer comes whole."""

from contextvars import ContextVar

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import ensure_config

# Set by a caller who hears only nodes of that role; the tokens of all others cost time in vain.
ONLY: ContextVar[str | None] = ContextVar("only_heard", default=None)


def as_heard(chat: BaseChatModel) -> BaseChatModel:
    """The model, streaming only if the running node is listened to."""
    only = ONLY.get()
    if only is None or ensure_config().get("metadata", {}).get("role") == only:
        return chat
    return chat.model_copy(update={"disable_streaming": True})
