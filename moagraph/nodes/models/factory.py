"""From a call to a LangChain chat model, built once for each event loop."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel

from moagraph.nodes.models import event_loops
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call, Sampling
from moagraph.nodes.models.openai_chat import checked
from moagraph.nodes.models.prices import listed, warm
from moagraph.nodes.models.providers import CHECKS, NO_KEY, PROVIDERS, address, secret
from moagraph.nodes.models.raw_messages import with_raw_messages

Clients: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[Call, str, Clients], BaseChatModel]

MOST = 256
# What a recipe says of a call that is not for the model.
OURS = {"attempts", "base_url", "api_key_env", "price", "limits", "context_window"}
OURS |= {"max_response_mb", "timeout"}


async def model(call: Call, slots: int = 1) -> BaseChatModel:
    """The chat model that answers the call, with its connections bound to the running loop."""
    kept: dict[Any, BaseChatModel] = event_loops.of_this_loop().setdefault("models", {})
    said = call.model_dump_json(include=Sampling.model_fields.keys() | {"model"})
    key = (said, address(call), secret(call))
    if key not in kept:
        kept[key] = await _build(call, slots)
        while len(kept) > MOST:
            del kept[next(iter(kept))]
    return kept[key]


async def ready(call: Call, slots: int) -> None:
    """Load what takes long before it is asked, so that no call's timeout pays for it."""
    if listed(call):
        warm()
    if split(call.model)[0] == "local":
        await model(call, slots)


async def _build(call: Call, slots: int) -> BaseChatModel:
    provider, name = split(call.model)
    if provider == "scripted":
        from moagraph.nodes.models.scripted import Scripted

        return Scripted(name=name)
    if provider == "local" and not call.base_url:
        return await _local(call, name, slots)
    maker = MAKERS.get(provider, _compatible if call.base_url or provider in PROVIDERS else _other)
    kept = event_loops.of_this_loop()
    async with kept.setdefault("building", asyncio.Lock()):
        clients = await _clients()
        return await asyncio.to_thread(maker, call, name, clients)  # imports read the disk


def _openai(call: Call, name: str, clients: Clients) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    chat = _made(ChatOpenAI, model=name, **_endpoint(call, clients), **_sampling(call))
    return _nobodys(chat) if call.base_url else chat


def _together(call: Call, name: str, clients: Clients) -> BaseChatModel:
    from langchain_together import ChatTogether

    said = {**_endpoint(call, clients), **_sampling(call)}
    return _nobodys(_made(ChatTogether, model=name, **said))


def _compatible(call: Call, name: str, clients: Clients) -> BaseChatModel:
    """Any server that speaks OpenAI's protocol; few of them know `max_completion_tokens`."""
    from langchain_openai.chat_models.base import BaseChatOpenAI

    said = {"use_responses_api": False, **_endpoint(call, clients), **_sampling(call)}
    return _nobodys(_made(BaseChatOpenAI, model=name, **said))


def _other(call: Call, name: str, clients: Clients) -> BaseChatModel:
    """A provider with a LangChain package of its own, which keeps its own variables."""
    from langchain.chat_models import init_chat_model  # type: ignore[import-not-found,unused-ignore]

    provider, _ = split(call.model)
    sampling = _sampling(call)
    for only_openai in ("stream_usage", "extra_body", "logprobs", "timeout"):
        sampling.pop(only_openai, None)
    return init_chat_model(name, model_provider=provider, **sampling)  # type: ignore[no-any-return,unused-ignore]


async def _local(call: Call, name: str, slots: int) -> BaseChatModel:
    from langchain_openai.chat_models.base import BaseChatOpenAI

    from moagraph.nodes.models.local.engine import endpoint

    engine = await endpoint(name, slots)
    return _made(
        BaseChatOpenAI,
        model=engine.model,
        use_responses_api=False,
        base_url=engine.base_url,
        api_key=engine.api_key,
        default_headers={"Connection": "close"},  # the engine closes without saying so
        **await _clients(direct=True),
        **_sampling(call),
    )


MAKERS: dict[str, Maker] = {
    "openai": _openai,
    "together": _together,
}


def offer(provider: str, maker: Maker, check: Callable[[Call], None]) -> None:
    """Bring a provider of one's own: how its models are made, and what a call of it needs."""
    MAKERS[provider], CHECKS[provider] = maker, check


def _made(chat: type[BaseChatModel], **said: Any) -> BaseChatModel:
    raw: type[BaseChatModel] = with_raw_messages(chat)
    return checked(raw)(stream_chunk_timeout=None, **said)  # type: ignore[no-any-return]


def _nobodys(chat: Any) -> BaseChatModel:
    """The model without the names of an organisation and a project that only OpenAI should see."""
    for client in (chat.root_client, chat.root_async_client):
        client.organization = client.project = None
    return chat  # type: ignore[no-any-return]


def _endpoint(call: Call, clients: Clients) -> dict[str, Any]:
    url = address(call)
    return {"api_key": secret(call) or NO_KEY, **({"base_url": url} if url else {}), **clients}


def _sampling(call: Call) -> dict[str, Any]:
    """What is said of every call; what the recipe leaves open is not sent at all."""
    said = call.model_dump(
        include=Sampling.model_fields.keys() - OURS,
        exclude_none=True,
    )
    # Time is limited around the call, by a clock that knows when this process was stopped.
    return {"max_retries": 0, "stream_usage": True, "timeout": None, **said}


async def _clients(direct: bool = False) -> Clients:
    """The running loop's HTTP clients: langchain-openai's own are shared between loops.

    What is in this process is spoken to directly, whatever proxy the environment names.
    """
    kept = event_loops.of_this_loop()
    if ("http", direct) not in kept:
        asynchronous, synchronous = await asyncio.to_thread(_new_clients, direct)
        kept[("http", direct)] = asynchronous
        kept[("http sync", direct)] = synchronous
    return {
        "http_async_client": kept[("http", direct)],
        "http_client": kept[("http sync", direct)],
    }


def _new_clients(direct: bool) -> tuple[Any, Any]:
    """Made in a thread: certificates are read from the disk."""
    import openai

    from moagraph.nodes.models.response_limits import ENCODINGS, check_response

    asynchronous = openai.DefaultAsyncHttpxClient(
        trust_env=not direct,
        headers={"Accept-Encoding": ENCODINGS},
        event_hooks={"response": [check_response]},
    )
    return asynchronous, openai.DefaultHttpxClient(trust_env=not direct)
