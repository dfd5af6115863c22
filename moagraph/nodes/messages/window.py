"""How many tokens a model takes in at once, and whether that is enough; unknown is no limit."""

import asyncio
from collections.abc import Sequence

from langchain_core.messages import AnyMessage
from langchain_core.messages.utils import count_tokens_approximately

from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.factory import model
from moagraph.nodes.models.prices import listed

ANSWER = 1024  # tokens that are kept free for an answer whose length is left open
LOOKED_UP = 4096  # what is shorter fits into any hosted model
# The paper's six, which no list has any more.
WINDOWS = {
    "together:microsoft/WizardLM-2-8x22B": 65_536,
    "together:Qwen/Qwen1.5-110B-Chat": 32_768,
    "together:Qwen/Qwen1.5-72B-Chat": 32_768,
    "together:meta-llama/Llama-3-70b-chat-hf": 8_192,
    "together:mistralai/Mixtral-8x22B-Instruct-v0.1": 65_536,
    "together:databricks/dbrx-instruct": 32_768,
}
# What these serve whatever the model could do, unless they are told otherwise: Ollama by
# OLLAMA_CONTEXT_LENGTH, and it cuts silently.
SERVED = {"local": 4_096, "ollama": 4_096}


async def window(call: Call, tokens: int) -> int | None:
    """The model's window, as the recipe, a table or a list has it; None where it cannot matter."""
    provider, name = split(call.model)
    if call.context_window:
        return call.context_window
    if provider == "ollama" or (provider in SERVED and not call.base_url):
        return SERVED[provider]
    if call.base_url or not listed(call):
        return None
    if call.model in WINDOWS:
        return WINDOWS[call.model]
    if tokens + (call.max_tokens or ANSWER) <= LOOKED_UP:
        return None
    return await _profile(call) or await asyncio.to_thread(_from_list, provider, name)


def answer(call: Call, window: int) -> int:
    """The tokens to keep free for the answer, but not more than half of the window."""
    return min(call.max_tokens or min(ANSWER, window // 4), window // 2)


def count(call: Call, messages: Sequence[AnyMessage]) -> int:
    """About how many tokens the call sends."""
    text = "".join(message.text for message in messages)
    dense = len(text) / size(text) if text else 4.0
    return count_tokens_approximately(
        messages, chars_per_token=dense, tools=[*call.tools] if call.tools else None
    )


def size(text: str) -> float:
    """About how many tokens a text has: four bytes are one, as are four English letters."""
    return len(text.encode("utf-8", "replace")) / 4


async def _profile(call: Call) -> int | None:
    try:
        chat = await model(call)
    except Exception:  # the call itself will say why
        return None
    return (chat.profile or {}).get("max_input_tokens")


def _from_list(provider: str, name: str) -> int | None:
    """What genai-prices has; it takes half a second to load, unless prices were asked for."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, known = get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return known.context_window
