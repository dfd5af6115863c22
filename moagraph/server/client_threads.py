"""Threads that clients name in `metadata.thread_id`: each API key has its own."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, SystemMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.hooks import restore_originals
from moagraph.server.protocol_errors import ApiError
from moagraph.threads.runner import Graph, hold

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def stored_thread_id(owner: str, metadata: dict[str, str] | None) -> str | None:
    """Return the thread's name in the store, or None if the request names no thread.

    Args:
        owner: The caller's name, which is a part of the stored name: no caller can reach the
            threads of another key.
        metadata: The request's metadata.
    """
    name = (metadata or {}).get("thread_id")
    if name is None:
        return None
    if not NAME.fullmatch(name):
        raise ApiError(
            400,
            "`thread_id` takes 1 to 128 letters, digits, dots, dashes and underscores",
            param="metadata.thread_id",
        )
    return f"{owner}-{name}"


@asynccontextmanager
async def lock_thread(threads: BaseCheckpointSaver[Any], thread_id: str) -> AsyncIterator[None]:
    """Reserve the thread for one request; a second request meanwhile is a conflict."""
    lock = hold(threads, thread_id)
    try:
        await lock.__aenter__()
    except StorageError:
        raise
    except UsageError as error:
        raise ApiError(409, "the thread is busy with another request") from error
    try:
        yield
    finally:
        await lock.__aexit__(None, None, None)


async def messages_to_write(
    graph: Graph, config: Any, request: Sequence[AnyMessage]
) -> list[AnyMessage]:
    """Return what to write to the thread, so that it contains the intended conversation.

    A request with a message of the assistant contains the whole conversation; any other one is
    the next turn. A turn without an answer is dropped, as if it had not been sent.

    Args:
        graph: The model's graph with the thread store.
        config: Names the thread.
        request: The messages of the request.
    """
    stored = list((await graph.aget_state(config)).values.get("messages", []))
    is_whole = any(isinstance(message, AIMessage) for message in request)
    conversation = (_whole_conversation if is_whole else _next_turn)(stored, request)
    if conversation[: len(stored)] == stored:
        return conversation[len(stored) :]
    return [RemoveMessage(id=REMOVE_ALL_MESSAGES), *conversation]  # type: ignore[list-item]


def _whole_conversation(
    stored: Sequence[AnyMessage], request: Sequence[AnyMessage]
) -> list[AnyMessage]:
    """The request's conversation, with the stored messages where the content is the same."""
    pairs = zip(stored, request, strict=False)
    start = [
        mine if _same_content(restore_originals(mine), theirs) else theirs for mine, theirs in pairs
    ]
    return [*start, *request[len(start) :]]


def _next_turn(stored: Sequence[AnyMessage], request: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The stored turns that have an answer, and the new one; new system messages replace old."""
    answers = [index for index, m in enumerate(stored) if isinstance(m, AIMessage)]
    earlier = list(stored[: answers[-1] + 1]) if answers else []
    rules = [message for message in request if isinstance(message, SystemMessage)]
    if earlier and rules:
        old_rules = [m for m in earlier if isinstance(m, SystemMessage)]
        if [*map(_content, old_rules)] != [*map(_content, rules)]:
            earlier = [*rules, *(m for m in earlier if not isinstance(m, SystemMessage))]
        request = [message for message in request if not isinstance(message, SystemMessage)]
    return [*earlier, *request]


def _same_content(first: AnyMessage, second: AnyMessage) -> bool:
    return _content(first) == _content(second)


def _content(message: AnyMessage) -> tuple[Any, ...]:
    call_ids = [call["id"] for call in getattr(message, "tool_calls", [])]
    tool_call_id = getattr(message, "tool_call_id", None)
    return message.type, message.content or "", call_ids, tool_call_id
