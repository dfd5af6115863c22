"""What one call is sent; it may differ from model to model, as their windows do."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.messages import AnyMessage

from moagraph.nodes.models.call import Call


@dataclass(frozen=True)
class Sent:
    """The messages, and what the record of the call says of them."""

    messages: Sequence[AnyMessage]
    notes: dict[str, Any] = field(default_factory=dict)


Hearing: TypeAlias = Callable[[Call], Awaitable[Sent]]
