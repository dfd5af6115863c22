"""Cache whole calls in a file of the data folder, so that no answer is paid for twice.

The key is a digest of everything that is sent and of the sample's number: models never share an
answer, and six samples remain six. Only usable answers are stored.
"""

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from moagraph.nodes.errors import StorageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import address
from moagraph.nodes.storage.encryption import encrypt_serializer, encryption_key
from moagraph.nodes.storage.sqlite_tables import table

VARIABLE = "MOA_CACHE"
SCHEMA = "CREATE TABLE answers (key TEXT PRIMARY KEY, kind TEXT, said BLOB)"
# Settings of a call that do not change what is sent.
UNSENT = {"base_url", "timeout", "attempts", "price", "limits", "context_window", "fallbacks"}
UNSENT |= {"max_response_mb"}
CHANGING_FIELDS = {"id", "response_metadata", "usage_metadata"}


class CachedModel(BaseChatModel):
    """A chat model that returns a cached answer, so that streams and traces contain it."""

    message: AIMessage

    @property
    def _llm_type(self) -> str:
        return "kept"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages)


def is_enabled() -> bool:
    """Return whether the environment turns the cache on."""
    return os.environ.get(VARIABLE, "").strip() not in ("", "0")


def key(call: Call, messages: Sequence[AnyMessage], sample: str) -> str:
    """Return the key of a call; it reveals neither the question nor a provider's key.

    Args:
        call: The model and its settings.
        messages: What is sent.
        sample: Distinguishes calls that send the same messages.
    """
    settings = call.model_dump(mode="json", include=Call.model_fields.keys() - UNSENT)
    contents = [message.model_dump(exclude=CHANGING_FIELDS) for message in messages]
    text = json.dumps([settings, address(call), contents, sample], sort_keys=True, default=repr)
    return hmac.new(encryption_key(), text.encode(), hashlib.sha256).hexdigest()


async def find_answer(call: Call, messages: Sequence[AnyMessage], sample: str) -> AIMessage | None:
    """Return the cached answer to a call; None if there is none or the file is unusable.

    Args:
        call: The model and its settings.
        messages: What would be sent.
        sample: Distinguishes calls that send the same messages.
    """
    message = None
    with suppress(StorageError):
        message = await asyncio.to_thread(_select, key(call, messages, sample))
    if message is None:
        return None
    return await CachedModel(message=message).ainvoke(list(messages))


async def store_answer(
    call: Call, messages: Sequence[AnyMessage], sample: str, message: AIMessage
) -> None:
    """Store a usable answer; a failure to store it does not fail the call.

    Args:
        call: The model and its settings.
        messages: What was sent.
        sample: Distinguishes calls that send the same messages.
        message: The answer.
    """
    with suppress(StorageError, TypeError):  # TypeError: content that JSON cannot hold
        await asyncio.to_thread(_insert, key(call, messages, sample), message)


def check_usable() -> None:
    """Refuse a file that cannot be used, before any call is paid for."""
    size()


def size() -> tuple[int, int]:
    """Return the number of cached answers, and their bytes."""
    with table("cache", SCHEMA) as rows:
        [count] = rows.execute("SELECT count(*), coalesce(sum(length(said)), 0) FROM answers")
    return int(count[0]), int(count[1])


def clear() -> int:
    """Delete every answer, and return how many there were."""
    with table("cache", SCHEMA) as rows:
        deleted = rows.execute("DELETE FROM answers").rowcount
    with table("cache", SCHEMA) as rows:
        rows.execute("VACUUM")
    return deleted


def _select(key: str) -> AIMessage | None:
    with table("cache", SCHEMA) as rows:
        row = rows.execute("SELECT kind, said FROM answers WHERE key = ?", (key,)).fetchone()
    return AIMessage.model_validate(json.loads(_serde().loads_typed(row))) if row else None


def _insert(key: str, message: AIMessage) -> None:
    metadata = {k: v for k, v in message.response_metadata.items() if k != "token_usage"}
    changes = {"id": None, "usage_metadata": None, "response_metadata": metadata}
    row = _serde().dumps_typed(json.dumps(message.model_copy(update=changes).model_dump()))
    with table("cache", SCHEMA) as rows:
        rows.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, *row))


def _serde() -> Any:
    return encrypt_serializer(JsonPlusSerializer())
