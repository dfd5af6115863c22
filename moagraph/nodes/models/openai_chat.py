"""Chat models of OpenAI's protocol that validate each response.

LangChain builds the request and converts the answer; the response in between is read here, for a
provider's own types are whatever the server sent, and a trace would repeat a key.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from functools import cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from moagraph.nodes.models.attempt import current
from moagraph.nodes.models.chat_completions import clean_completion, parse_json, refusal_of
from moagraph.nodes.models.error_redaction import keys_in_answers, keys_of, redact, redact_error
from moagraph.nodes.models.event_stream import read_events
from moagraph.nodes.models.streamed_answer import StreamedAnswer
from moagraph.nodes.models.value_counter import (
    MAX_VALUES,
    MAX_VALUES_WITH_LOGPROBS,
    ValueCounter,
)


@cache
def checked(chat: type[BaseChatModel]) -> type[Any]:
    """Create a subclass, under the same name, that validates its responses.

    Args:
        chat: A subclass of LangChain's `BaseChatOpenAI`.
    """

    class Checked(chat):  # type: ignore[misc, valid-type]
        async def _agenerate(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: AsyncCallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> ChatResult:
            with _redacted(self):
                payload = self._get_request_payload(messages, stop=stop, **kwargs)
                if self._use_responses_api(payload):
                    whole = super()._agenerate(messages, stop, run_manager, **kwargs)
                    result: ChatResult = await whole
                    return result
                return await _whole_answer(self, payload)

        async def _astream(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: AsyncCallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> AsyncIterator[ChatGenerationChunk]:
            with _redacted(self):
                payload = self._get_request_payload(messages, stop=stop, **kwargs)
                if self._use_responses_api(payload):
                    chunks = super()._astream(messages, stop, run_manager, **kwargs)
                else:
                    chunks = _streamed_answer(self, payload, run_manager)
                async with aclosing(chunks):
                    async for chunk in chunks:
                        yield chunk

    Checked.__name__ = Checked.__qualname__ = chat.__name__
    return Checked


@contextmanager
def _redacted(chat: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        redact_error(error, keys_of(chat))
        raise


async def _whole_answer(chat: Any, payload: dict[str, Any]) -> ChatResult:
    if "response_format" in payload:
        payload.pop("stream", None)
    counter, pieces = _counter(payload), list[bytes]()
    async with chat.async_client.with_streaming_response.create(**payload) as response:
        async for piece in response.http_response.aiter_bytes():
            counter.feed(piece)
            pieces.append(piece)
    body = parse_json(b"".join(pieces))
    await asyncio.sleep(0)  # parsing a large answer takes long; let other tasks run in between
    completion = clean_completion(body)
    if keys := keys_in_answers(keys_of(chat)):
        completion = redact(completion, keys)
    result: ChatResult = chat._create_chat_result(completion)
    message = result.generations[0].message
    current().received = len(message.text.encode())
    if refusal := refusal_of(body):
        message.additional_kwargs["refusal"] = refusal
    return result


async def _streamed_answer(
    chat: Any, payload: dict[str, Any], run_manager: AsyncCallbackManagerForLLMRun | None
) -> AsyncGenerator[ChatGenerationChunk]:
    """Yield the answer's chunks; close a stream that exceeds the attempt's limits."""
    payload |= {"stream": True, "stream_options": {"include_usage": True}}
    attempt, counter = current(), _counter(payload)
    answer = StreamedAnswer(attempt, keys_in_answers(keys_of(chat)))
    async with chat.async_client.with_streaming_response.create(**payload) as response:
        pieces = response.http_response.aiter_bytes()
        async with aclosing(read_events(pieces, attempt.max_bytes, counter)) as batches:
            async for events in batches:
                for piece in answer.add(events):
                    yield await _emit_chunk(chat, piece, run_manager)
                if attempt.stopped:
                    break
    for piece in answer.end():
        chunk = await _emit_chunk(chat, piece, run_manager)
        if answer.refusal:
            chunk.message.additional_kwargs["refusal"] = answer.refusal
        yield chunk


def _counter(payload: dict[str, Any]) -> ValueCounter:
    return ValueCounter(MAX_VALUES_WITH_LOGPROBS if payload.get("logprobs") else MAX_VALUES)


async def _emit_chunk(
    chat: Any, piece: dict[str, Any], run_manager: AsyncCallbackManagerForLLMRun | None
) -> ChatGenerationChunk:
    """Convert a piece to LangChain's chunk, and notify its callbacks."""
    chunk: ChatGenerationChunk = chat._convert_chunk_to_generation_chunk(piece, AIMessageChunk, {})
    if run_manager:
        logprobs = (chunk.generation_info or {}).get("logprobs")
        await run_manager.on_llm_new_token(chunk.text, chunk=chunk, logprobs=logprobs)
    return chunk
