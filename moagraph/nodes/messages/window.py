"""Context windows of models, and estimates of tokens; an unknown window is no limit."""

import asyncio
from collections.abc import Sequence

from langchain_core.messages import AnyMessage
from langchain_core.messages.utils import count_tokens_approximately

from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import model
from moagraph.nodes.models.prices import listed

DEFAULT_ANSWER = 1024  # tokens that are kept free for an answer without `max_tokens`
SMALL_ENOUGH = 4096  # anything shorter fits any hosted model
# The six models of the paper, which price lists no longer have.
WINDOWS = {
    "together:microsoft/WizardLM-2-8x22B": 65_536,
    "together:Qwen/Qwen1.5-110B-Chat": 32_768,
    "together:Qwen/Qwen1.5-72B-Chat": 32_768,
    "together:meta-llama/Llama-3-70b-chat-hf": 8_192,
    "together:mistralai/Mixtral-8x22B-Instruct-v0.1": 65_536,
    "together:databricks/dbrx-instruct": 32_768,
}
# These serve this window whatever the model supports, unless configured otherwise (Ollama by
# OLLAMA_CONTEXT_LENGTH). Ollama truncates silently.
SERVED = {"local": 4_096, "ollama": 4_096}


async def find_window(call: Call, tokens: int) -> int | None:
    """Return the model's window from the recipe, a table or a list; None if it cannot matter.

    Args:
        call: The call whose model is meant.
        tokens: About how many tokens it will send.
    """
    provider, name = split(call.model)
    if call.context_window:
        return call.context_window
    if provider == "ollama" or (provider in SERVED and not call.base_url):
        return SERVED[provider]
    if call.base_url or not listed(call):
        return None
    if call.model in WINDOWS:
        return WINDOWS[call.model]
    if tokens + (call.max_tokens or DEFAULT_ANSWER) <= SMALL_ENOUGH:
        return None
    return await _profile(call) or await asyncio.to_thread(_from_list, provider, name)


def answer_tokens(call: Call, window: int) -> int:
    """Return the tokens to keep free for the answer, at most half of the window."""
    return min(call.max_tokens or min(DEFAULT_ANSWER, window // 4), window // 2)


def count_tokens(call: Call, messages: Sequence[AnyMessage]) -> int:
    """Estimate how many tokens the call sends."""
    text = "".join(message.text for message in messages)
    chars_per_token = len(text) / estimate_tokens(text) if text else 4.0
    return count_tokens_approximately(
        messages, chars_per_token=chars_per_token, tools=[*call.tools] if call.tools else None
    )


def estimate_tokens(text: str) -> float:
    """Estimate the tokens of a text: four bytes, or four English letters, are one."""
    return len(text.encode("utf-8", "replace")) / 4


async def _profile(call: Call) -> int | None:
    try:
        chat = await model(call)
    except Exception:  # the call itself reports the reason
        return None
    return (chat.profile or {}).get("max_input_tokens")


def _from_list(provider: str, name: str) -> int | None:
    """Return the window that genai-prices lists; loading it takes half a second the first time."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, info = get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return info.context_window
