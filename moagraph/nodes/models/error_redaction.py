"""Chat models whose errors do not repeat their key: a trace keeps an error as it was raised."""

from collections.abc import AsyncIterator, Iterable
from functools import cache
from types import SimpleNamespace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import SecretStr


@cache
def discreet(chat: type[BaseChatModel]) -> type[Any]:
    """The class under its own name, for a server may put the key into what it answers."""

    class Discreet(chat):  # type: ignore[misc, valid-type]
        async def _agenerate(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: AsyncCallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> ChatResult:
            try:
                result: ChatResult = await super()._agenerate(messages, stop, run_manager, **kwargs)
                return result
            except Exception as error:
                hush(error, _keys(self))
                raise

        async def _astream(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: AsyncCallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> AsyncIterator[ChatGenerationChunk]:
            try:
                async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                    yield chunk
            except Exception as error:
                hush(error, _keys(self))
                raise

    Discreet.__name__ = Discreet.__qualname__ = chat.__name__
    return Discreet


def hush(error: BaseException, keys: Iterable[str]) -> None:
    """Blot the keys out of the error, and out of those that it came from."""
    found: BaseException | None = error
    while found:
        if response := getattr(found, "response", None):  # LangChain's traces would keep its body
            heard = {name: response.headers[name] for name in response.headers}
            vars(found)["response"] = SimpleNamespace(
                status_code=response.status_code, headers=heard
            )
        for key in keys:
            found.args = _clean(found.args, key)
            vars(found).update(_clean(vars(found), key))
        found = found.__cause__ or found.__context__


def _keys(chat: BaseChatModel) -> list[str]:
    values = [value for value in vars(chat).values() if isinstance(value, SecretStr)]
    return [value.get_secret_value() for value in values if value.get_secret_value()]


def _clean(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return value.replace(key, "***")
    if isinstance(value, list | tuple):
        return type(value)(_clean(item, key) for item in value)
    if isinstance(value, dict):
        return {name: _clean(item, key) for name, item in value.items()}
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**_clean(vars(value), key))
    return value
