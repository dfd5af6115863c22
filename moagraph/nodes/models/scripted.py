"""Offline models for tests and demonstrations: the name determines the answer.

`scripted:echo` repeats the question, `scripted:count` says how many references it heard,
`scripted:fail` fails, `scripted:empty` says nothing; any other name is the answer itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult


class ScriptedFailure(RuntimeError):
    """The error that `scripted:fail` raises."""


class Scripted(BaseChatModel):
    """A chat model whose answer depends only on its name and its messages."""

    name: str
    delay: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {**super()._get_ls_params(stop, **kwargs), "ls_model_name": self.name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = answer(self.name, messages)
        message = AIMessage(text, usage_metadata=_usage(messages, text), **self._says("stop"))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        text = answer(self.name, messages)
        for piece in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text):
            await asyncio.sleep(self.delay)
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                await run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="",
            usage_metadata=_usage(messages, text),
            chunk_position="last",
            **self._says("stop"),
        )
        yield ChatGenerationChunk(message=last)

    def _says(self, finish: str) -> dict[str, Any]:
        return {"response_metadata": {"model_name": self.name, "finish_reason": finish}}


def answer(name: str, messages: list[BaseMessage]) -> str:
    """Return the answer of the model to the messages."""
    act = ACTS.get(name)
    return act(messages) if act else name


def _echo(messages: list[BaseMessage]) -> str:
    return next((m.text for m in reversed(messages) if isinstance(m, HumanMessage)), "")


def _count(messages: list[BaseMessage]) -> str:
    system = messages[0].text if messages and messages[0].type == "system" else ""
    return f"I heard {len(re.findall(r'^[0-9]+[.] ', system, re.MULTILINE))} references."


def _fail(messages: list[BaseMessage]) -> str:
    raise ScriptedFailure("scripted to fail")


def _usage(messages: list[BaseMessage], text: str) -> UsageMetadata:
    input_tokens, output_tokens = sum(len(m.text.split()) for m in messages), len(text.split())
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )


ACTS: dict[str, Callable[[list[BaseMessage]], str]] = {
    "echo": _echo,
    "count": _count,
    "fail": _fail,
    "empty": lambda messages: "",
}
