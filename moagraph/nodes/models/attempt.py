"""One attempt of a call: its limits, what it has received, and its usage."""

from contextvars import ContextVar
from dataclasses import dataclass

from langchain_core.messages.ai import UsageMetadata

MEGABYTE = 1_000_000
MAX_RESPONSE_MB = 8.0


@dataclass(eq=False)
class Attempt:
    """The limits and the bill of one attempt.

    Attributes:
        max_bytes: The largest response that is read, after decompression.
        max_tokens: The tokens after which a stream is stopped; None where it may go on.
        received: The bytes of text that have arrived.
        stopped: Whether the stream was stopped because it exceeded `max_tokens`.
        ended: Whether its bill is known; one that was cut off is billed when that is noticed.
        usage: The tokens that it took, as far as they are known or estimated.
        estimated: Whether the provider did not say how many tokens it took.
        cost_usd: The price of these tokens, if it is known.
    """

    max_bytes: int = int(MAX_RESPONSE_MB * MEGABYTE)
    max_tokens: int | None = None
    received: int = 0
    stopped: bool = False
    ended: bool = False
    usage: UsageMetadata | None = None
    estimated: bool = False
    cost_usd: float | None = None


# Set around an attempt: the HTTP client and the chat model below it have no other way to know.
ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def current() -> Attempt:
    """Return the current attempt, or one with default limits."""
    return ATTEMPT.get() or Attempt()
