"""How many tokens a call took: what the provider reports, where that can be true, else an estimate.

A provider's counts decide what a turn may still spend, so nothing that cannot be a count is
believed: no negative number, fraction, boolean or text, and nothing that no model can process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately

MAX_COUNT = 1_000_000_000  # tokens in one call, far beyond any context window
BYTES_PER_TOKEN = 4  # of UTF-8: about one token of English, or of most other scripts


@dataclass(frozen=True)
class UsageForm:
    """The names of the counts; `parts` are the details of each total."""

    input: str
    output: str
    input_details: str
    output_details: str
    parts: frozenset[str]


OPENAI = UsageForm(
    "prompt_tokens",
    "completion_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    frozenset({"cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens"}),
)
LANGCHAIN = UsageForm(
    "input_tokens",
    "output_tokens",
    "input_token_details",
    "output_token_details",
    frozenset({"cache_read", "cache_creation", "audio", "reasoning"}),
)


def token_count(value: Any) -> int | None:
    """Return the value as a token count; None if it cannot be one."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def checked_usage(usage: Any, form: UsageForm) -> dict[str, Any] | None:
    """The usage in the same form with only what can be true; None unless both counts can.

    The total is computed: a provider's own may be missing, or count other things.
    """
    if not isinstance(usage, Mapping):
        return None
    sent, received = token_count(usage.get(form.input)), token_count(usage.get(form.output))
    if sent is None or received is None:
        return None
    checked = {form.input: sent, form.output: received, "total_tokens": sent + received}
    details = ((form.input_details, sent), (form.output_details, received))
    parts = {name: _parts(usage.get(name), form, whole) for name, whole in details}
    return checked | {name: counts for name, counts in parts.items() if counts}


def _parts(details: Any, form: UsageForm, whole: int) -> dict[str, int]:
    """Cap each part at its total: a larger one would make the price negative."""
    if not isinstance(details, Mapping):
        return {}
    counts = {name: token_count(details.get(name)) for name in sorted(form.parts)}
    return {name: count for name, count in counts.items() if count is not None and count <= whole}


def usage_of(usage: Any, text: str) -> UsageMetadata | None:
    """What a LangChain message of that text reports, if all of it can be true.

    No provider reads a prompt of zero tokens, and no text is written in zero tokens.
    """
    checked = checked_usage(usage, LANGCHAIN)
    if not checked or not checked["input_tokens"] or (text and not checked["output_tokens"]):
        return None
    return cast(UsageMetadata, checked)


def estimated_usage(messages: Sequence[AnyMessage], answer_bytes: int) -> UsageMetadata:
    """Estimate the usage of the messages and an answer of so many bytes."""
    sent, received = count_tokens_approximately(messages), estimated_tokens(answer_bytes)
    return UsageMetadata(input_tokens=sent, output_tokens=received, total_tokens=sent + received)


def estimated_tokens(size: int) -> int:
    """Estimate the tokens of a text of so many bytes, rounded up."""
    return -(-size // BYTES_PER_TOKEN)
