"""What a run's words must pass before they leave for a model."""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TypeAlias

from langchain_core.messages import AnyMessage

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.reply import Reply

Guard: TypeAlias = Callable[[Call, Sequence[AnyMessage]], Awaitable[str | None]]

# Set by a node whose run has secrets; it says why a call cannot be made, if it cannot.
GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)


async def withheld(call: Call, messages: Sequence[AnyMessage]) -> Reply | None:
    """A refusal in place of the call, where it would give something away."""
    guard = GUARD.get()
    why = await guard(call, messages) if guard else None
    return Reply(call.model, "refused", error=why, attempts=0) if why else None
