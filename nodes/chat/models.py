"""From a call to a LangChain chat model, built once for each event loop."""

from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel

from nodes.chat import loops
from nodes.chat.address import split
from nodes.chat.call import Call, Sampling
from nodes.chat.providers import NO_KEY, PROVIDERS, address, secret


async def model(call: Call, slots: int = 1) -> BaseChatModel:
    """The chat model that answers the call, with its connections bound to the running loop."""
    kept = loops.of_this_loop()
    key = (call.model_dump_json(), address(call), secret(call))
    if key not in kept:
        kept[key] = await _build(call, slots)
    return kept[key]  # type: ignore[no-any-return]


async def ready(call: Call, slots: int) -> None:
    """Load what takes long before it is asked, so that no call's timeout pays for it."""
    if split(call.model)[0] == "local":
        await model(call, slots)


async def _build(call: Call, slots: int) -> BaseChatModel:
    provider, name = split(call.model)
    if provider == "scripted":
        from nodes.chat.scripted import Scripted

        return Scripted(name=name)
    if provider == "local" and not call.base_url:
        return await _local(call, name, slots)
    maker = MAKERS.get(provider, _compatible if call.base_url or provider in PROVIDERS else _other)
    return maker(call, name)


def _openai(call: Call, name: str) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, **_endpoint(call), **_sampling(call))


def _together(call: Call, name: str) -> BaseChatModel:
    from langchain_together import ChatTogether

    return ChatTogether(model=name, **_endpoint(call), **_sampling(call))


def _compatible(call: Call, name: str) -> BaseChatModel:
    """Any server that speaks OpenAI's protocol; few of them know `max_completion_tokens`."""
    from langchain_openai.chat_models.base import BaseChatOpenAI

    return BaseChatOpenAI(model=name, use_responses_api=False, **_endpoint(call), **_sampling(call))


def _other(call: Call, name: str) -> BaseChatModel:
    """A provider with a LangChain package of its own, which keeps its own variables."""
    from langchain.chat_models import init_chat_model  # type: ignore[import-not-found,unused-ignore]

    provider, _ = split(call.model)
    sampling = _sampling(call)
    for only_openai in ("stream_usage", "extra_body"):
        sampling.pop(only_openai, None)
    return init_chat_model(name, model_provider=provider, **sampling)  # type: ignore[no-any-return,unused-ignore]


async def _local(call: Call, name: str, slots: int) -> BaseChatModel:
    from nodes.chat.local import endpoint

    engine = await endpoint(name, slots)
    from langchain_openai.chat_models.base import BaseChatOpenAI

    where = {"base_url": engine.base_url, "api_key": engine.api_key, **_clients()}
    return BaseChatOpenAI(model=engine.model, use_responses_api=False, **where, **_sampling(call))


MAKERS: dict[str, Callable[[Call, str], BaseChatModel]] = {
    "openai": _openai,
    "together": _together,
}


def _endpoint(call: Call) -> dict[str, Any]:
    url = address(call)
    return {"api_key": secret(call) or NO_KEY, **({"base_url": url} if url else {}), **_clients()}


def _sampling(call: Call) -> dict[str, Any]:
    """What is said of every call; what the recipe leaves open is not sent at all."""
    said = call.model_dump(
        include=Sampling.model_fields.keys() - {"attempts", "base_url", "api_key_env"},
        exclude_none=True,
    )
    return {"max_retries": 0, "stream_usage": True, **said}


def _clients() -> dict[str, Any]:
    """The running loop's HTTP clients: langchain-openai's own are shared between loops."""
    kept = loops.of_this_loop()
    if "http_async_client" not in kept:
        import openai

        kept["http_async_client"] = openai.DefaultAsyncHttpxClient()
        kept["http_client"] = openai.DefaultHttpxClient()
    return {name: kept[name] for name in ("http_async_client", "http_client")}
