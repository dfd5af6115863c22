"""Threads that clients name: each key has its own, and each request says what is new in it."""

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


def thread_of(owner: str, metadata: dict[str, str] | None) -> str | None:
    """The name under which the thread is stored; another key's cannot be named."""
    said = (metadata or {}).get("thread_id")
    if said is None:
        return None
    if not NAME.fullmatch(said):
        raise ApiError(
            400,
            "`thread_id` takes 1 to 128 letters, digits, dots, dashes and underscores",
            param="metadata.thread_id",
        )
    return f"{owner}-{said}"


@asynccontextmanager
async def held(threads: BaseCheckpointSaver[Any], thread: str) -> AsyncIterator[None]:
    """Have the thread for one request; a second one at the same time is a conflict."""
    holding = hold(threads, thread)
    try:
        await holding.__aenter__()
    except StorageError:
        raise
    except UsageError as error:
        raise ApiError(409, "the thread is busy with another request") from error
    try:
        yield
    finally:
        await holding.__aexit__(None, None, None)


async def continued(graph: Graph, config: Any, said: Sequence[AnyMessage]) -> list[AnyMessage]:
    """What is written to the thread so that it holds the conversation that is meant.

    A request with an assistant's message in it brings the whole conversation along; any other
    is the next turn. A turn that was never answered counts as not asked.
    """
    known = list((await graph.aget_state(config)).values.get("messages", []))
    meant = _whole(known, said) if any(isinstance(m, AIMessage) for m in said) else None
    meant = meant or _next(known, said)
    if meant[: len(known)] == known:
        return meant[len(known) :]
    return [RemoveMessage(id=REMOVE_ALL_MESSAGES), *meant]  # type: ignore[list-item]


def _whole(known: Sequence[AnyMessage], said: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The client's conversation, with the thread's own messages where they say the same."""
    pairs = zip(known, said, strict=False)
    same = [mine if _alike(restore_originals(mine), its) else its for mine, its in pairs]
    return [*same, *said[len(same) :]]


def _next(known: Sequence[AnyMessage], said: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The thread's answered turns and the new one; the newest system message holds."""
    answers = [number for number, m in enumerate(known) if isinstance(m, AIMessage)]
    before = list(known[: answers[-1] + 1]) if answers else []
    rules = [message for message in said if isinstance(message, SystemMessage)]
    if before and rules:
        old = [m for m in before if isinstance(m, SystemMessage)]
        if not [*map(_words, old)] == [*map(_words, rules)]:
            before = [*rules, *(m for m in before if m not in old)]
        said = [message for message in said if message not in rules]
    return [*before, *said]


def _alike(one: AnyMessage, other: AnyMessage) -> bool:
    return _words(one) == _words(other)


def _words(message: AnyMessage) -> tuple[Any, ...]:
    called = [call["id"] for call in getattr(message, "tool_calls", [])]
    return message.type, message.content or "", called, getattr(message, "tool_call_id", None)
