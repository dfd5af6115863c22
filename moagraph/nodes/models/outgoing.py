"""The messages of one call; they depend on the model's context window."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.messages import AnyMessage

from moagraph.nodes.models.call import Call


@dataclass(frozen=True)
class Outgoing:
    """The messages, and notes for the record of the call."""

    messages: Sequence[AnyMessage]
    notes: dict[str, Any] = field(default_factory=dict)


BuildMessages: TypeAlias = Callable[[Call], Awaitable[Outgoing]]
