"""The check of outgoing messages before they are sent to a model."""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TypeAlias

from langchain_core.messages import AnyMessage

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.reply import Reply

Guard: TypeAlias = Callable[[Call, Sequence[AnyMessage]], Awaitable[str | None]]

# Set around a node of a private run; returns why a call must not be made, or None. A context
# variable, because the core must not import the privacy module.
GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)


async def withheld(call: Call, messages: Sequence[AnyMessage]) -> Reply | None:
    """Return a refusal if the call would leak private details."""
    guard = GUARD.get()
    reason = await guard(call, messages) if guard else None
    return Reply(call.model, "refused", error=reason, attempts=0) if reason else None
