"""Answers that were paid for before: whole calls, in a file in the data folder.

The key is a digest of all that is sent and of which sample of it is meant, so that one model's
answer is never another's, and six samples stay six. Only answers that can be used are kept.
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

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import address
from moagraph.nodes.errors import StorageError
from moagraph.nodes.storage.encryption import sealed, sealing_key
from moagraph.nodes.storage.sqlite_tables import table

VARIABLE = "MOA_CACHE"
SCHEMA = "CREATE TABLE answers (key TEXT PRIMARY KEY, kind TEXT, said BLOB)"
# What a recipe says of a call that changes nothing of what is sent.
UNSENT = {"base_url", "timeout", "attempts", "price", "limits", "context_window", "fallbacks"}
UNSENT |= {"max_response_mb"}
NEW_EACH_TIME = {"id", "response_metadata", "usage_metadata"}


class Kept(BaseChatModel):
    """A chat model that says again what was kept, so that streams and traces hear it."""

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


def wanted() -> bool:
    """Whether the environment turns the cache on."""
    return os.environ.get(VARIABLE, "").strip() not in ("", "0")


def key(call: Call, messages: Sequence[AnyMessage], sample: str) -> str:
    """What stands for the call; it gives away neither a question nor a provider's key."""
    said = call.model_dump(mode="json", include=Call.model_fields.keys() - UNSENT)
    heard = [message.model_dump(exclude=NEW_EACH_TIME) for message in messages]
    text = json.dumps([said, address(call), heard, sample], sort_keys=True, default=repr)
    return hmac.new(sealing_key(), text.encode(), hashlib.sha256).hexdigest()


async def kept(call: Call, messages: Sequence[AnyMessage], sample: str) -> AIMessage | None:
    """What this very call was answered before; a file that cannot be read knows nothing."""
    message = None
    with suppress(StorageError):
        message = await asyncio.to_thread(_read, key(call, messages, sample))
    if message is None:
        return None
    return await Kept(message=message).ainvoke(list(messages))


async def keep(call: Call, messages: Sequence[AnyMessage], sample: str, message: AIMessage) -> None:
    """Keep a good answer; a full disk does not take it from whoever paid for it."""
    with suppress(StorageError, TypeError):  # no JSON: content of a kind that has no text
        await asyncio.to_thread(_write, key(call, messages, sample), message)


def ready() -> None:
    """Refuse a file that cannot be used before anything is paid."""
    size()


def size() -> tuple[int, int]:
    """How many answers are kept, and their bytes."""
    with table("cache", SCHEMA) as rows:
        [count] = rows.execute("SELECT count(*), coalesce(sum(length(said)), 0) FROM answers")
    return int(count[0]), int(count[1])


def clear() -> int:
    """Forget every answer; how many there were."""
    with table("cache", SCHEMA) as rows:
        gone = rows.execute("DELETE FROM answers").rowcount
    with table("cache", SCHEMA) as rows:
        rows.execute("VACUUM")
    return gone


def _read(key: str) -> AIMessage | None:
    with table("cache", SCHEMA) as rows:
        row = rows.execute("SELECT kind, said FROM answers WHERE key = ?", (key,)).fetchone()
    return AIMessage.model_validate(json.loads(_serde().loads_typed(row))) if row else None


def _write(key: str, message: AIMessage) -> None:
    told = {k: v for k, v in message.response_metadata.items() if k != "token_usage"}
    bare = {"id": None, "usage_metadata": None, "response_metadata": told}
    row = _serde().dumps_typed(json.dumps(message.model_copy(update=bare).model_dump()))
    with table("cache", SCHEMA) as rows:
        rows.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, *row))


def _serde() -> Any:
    return sealed(JsonPlusSerializer())
