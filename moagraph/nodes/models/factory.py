"""Build the LangChain chat model of a call, once for each event loop."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel

from moagraph.nodes.models import event_loops
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call, Sampling
from moagraph.nodes.models.openai_chat import checked
from moagraph.nodes.models.prices import listed, warm
from moagraph.nodes.models.provider import find_provider
from moagraph.nodes.models.providers import NO_KEY, PROVIDERS, address, secret
from moagraph.nodes.models.raw_messages import with_raw_messages

Clients: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[Call, str, Clients], BaseChatModel]

MAX_MODELS = 256
# Settings of a call that are not sent to the model.
NOT_SENT = {"attempts", "base_url", "api_key_env", "price", "limits", "context_window"}
NOT_SENT |= {"max_response_mb", "timeout"}


async def model(call: Call, slots: int = 1) -> BaseChatModel:
    """Return the chat model of the call, whose connections are bound to the running loop."""
    models: dict[Any, BaseChatModel] = event_loops.of_this_loop().setdefault("models", {})
    settings = call.model_dump_json(include=Sampling.model_fields.keys() | {"model"})
    # Address and key come from the environment, which may change between calls.
    key = (settings, address(call), secret(call))
    if key not in models:
        models[key] = await _build(call, slots)
        # A dict keeps insertion order, so the oldest model goes first.
        while len(models) > MAX_MODELS:
            del models[next(iter(models))]
    return models[key]


async def ready(call: Call, slots: int) -> None:
    """Load price lists and local models before the first call, outside of its timeout."""
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
    if plugin := find_provider(provider):
        return await asyncio.to_thread(plugin.chat_model, call, name)
    maker = MAKERS.get(
        provider, _compatible if call.base_url or provider in PROVIDERS else _from_package
    )
    shared = event_loops.of_this_loop()
    async with shared.setdefault("building", asyncio.Lock()):
        clients = await _clients()
        return await asyncio.to_thread(maker, call, name, clients)  # imports read the disk


def _openai(call: Call, name: str, clients: Clients) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    chat = _instantiate(ChatOpenAI, model=name, **_endpoint(call, clients), **_sampling(call))
    return _without_organization(chat) if call.base_url else chat


def _together(call: Call, name: str, clients: Clients) -> BaseChatModel:
    from langchain_together import ChatTogether

    settings = {**_endpoint(call, clients), **_sampling(call)}
    return _without_organization(_instantiate(ChatTogether, model=name, **settings))


def _compatible(call: Call, name: str, clients: Clients) -> BaseChatModel:
    """Any server with OpenAI's protocol; few of them support `max_completion_tokens`."""
    from langchain_openai.chat_models.base import BaseChatOpenAI

    settings = {"use_responses_api": False, **_endpoint(call, clients), **_sampling(call)}
    return _without_organization(_instantiate(BaseChatOpenAI, model=name, **settings))


def _from_package(call: Call, name: str, clients: Clients) -> BaseChatModel:
    """A provider with its own LangChain package, which reads its own environment variables."""
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
    return _instantiate(
        BaseChatOpenAI,
        model=engine.model,
        use_responses_api=False,
        base_url=engine.base_url,
        api_key=engine.api_key,
        default_headers={
            "Connection": "close"
        },  # the engine closes connections without announcing it
        **await _clients(direct=True),
        **_sampling(call),
    )


MAKERS: dict[str, Maker] = {
    "openai": _openai,
    "together": _together,
}


def _instantiate(chat: type[BaseChatModel], **settings: Any) -> BaseChatModel:
    raw: type[BaseChatModel] = with_raw_messages(chat)
    return checked(raw)(stream_chunk_timeout=None, **settings)  # type: ignore[no-any-return]


def _without_organization(chat: Any) -> BaseChatModel:
    """Remove the organization and project of the environment, which only OpenAI should receive."""
    for client in (chat.root_client, chat.root_async_client):
        client.organization = client.project = None
    return chat  # type: ignore[no-any-return]


def _endpoint(call: Call, clients: Clients) -> dict[str, Any]:
    url = address(call)
    return {"api_key": secret(call) or NO_KEY, **({"base_url": url} if url else {}), **clients}


def _sampling(call: Call) -> dict[str, Any]:
    """Return the sampling parameters; what the recipe leaves open is not sent."""
    settings = call.model_dump(
        include=Sampling.model_fields.keys() - NOT_SENT,
        exclude_none=True,
    )
    # Time is limited around the call, by a clock that knows when this process was stopped.
    return {"max_retries": 0, "stream_usage": True, "timeout": None, **settings}


async def _clients(direct: bool = False) -> Clients:
    """Return the running loop's HTTP clients: langchain-openai's own are shared between loops.

    Args:
        direct: Bypass the environment's proxy, as for a server inside this process.
    """
    shared = event_loops.of_this_loop()
    if ("http", direct) not in shared:
        asynchronous, synchronous = await asyncio.to_thread(_new_clients, direct)
        shared[("http", direct)] = asynchronous
        shared[("http sync", direct)] = synchronous
    return {
        "http_async_client": shared[("http", direct)],
        "http_client": shared[("http sync", direct)],
    }


def _new_clients(direct: bool) -> tuple[Any, Any]:
    """Build the clients; this reads certificates from disk, so it runs in a thread."""
    import openai

    from moagraph.nodes.models.response_limits import ENCODINGS, check_response

    asynchronous = openai.DefaultAsyncHttpxClient(
        trust_env=not direct,
        headers={"Accept-Encoding": ENCODINGS},
        event_hooks={"response": [check_response]},
    )
    return asynchronous, openai.DefaultHttpxClient(trust_env=not direct)
