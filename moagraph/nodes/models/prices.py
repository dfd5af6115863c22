"""The cost of a call, by the recipe's price or else by the list of genai-prices."""

import asyncio
from math import isfinite

from langchain_core.messages.ai import UsageMetadata

from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call

MILLION = 1_000_000
UNLISTED = {"local", "moa", "ollama", "recorded", "scripted", "vllm"}


def listed(call: Call) -> bool:
    """Return whether the list may have the price: it has none of private servers."""
    return not call.price and not call.base_url and split(call.model)[0] not in UNLISTED


def warm() -> None:
    """Load the list in a thread while the first calls run; it takes half a second."""
    asyncio.get_running_loop().run_in_executor(None, __import__, "genai_prices")


async def cost_usd(call: Call, usage: UsageMetadata | None, model: str | None) -> float | None:
    """Return the cost in dollars; None if the price is unknown."""
    if usage is None or not (call.price or listed(call)):
        return None
    if call.price:
        return price_of(call, usage, model)
    return await asyncio.to_thread(price_of, call, usage, model)  # the list takes time to load


def price_of(call: Call, usage: UsageMetadata, model: str | None = None) -> float | None:
    """Return the cost in dollars of the tokens; None if the price is unknown or not a number."""
    if call.price:
        sent, received = usage["input_tokens"], usage["output_tokens"]
        price = (call.price.input * sent + call.price.output * received) / MILLION
        return price if isfinite(price) else None
    if not listed(call):
        return None
    provider, name = split(call.model)
    price_of_listed = _listed(provider, model or name, usage)
    return price_of_listed if price_of_listed is None else max(0.0, price_of_listed)


def _listed(provider: str, model: str, usage: UsageMetadata) -> float | None:
    from genai_prices import Usage, calc_price

    cached = usage.get("input_token_details", {}).get("cache_read") or 0
    counted = Usage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=cached,
    )
    try:
        return float(calc_price(counted, model_ref=model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None
