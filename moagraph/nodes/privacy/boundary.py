"""The privacy boundary: which texts may be stored, sent to a model, and returned to the caller.

The messages of a private run enter the graph as handles, because LangGraph writes its input to
the first checkpoint before any node can redact it. Nodes store them with placeholders. The
originals are restored only in what leaves the graph for the caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from string import Template
from typing import Any, TypeVar
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    RemoveMessage,
    ToolMessage,
    convert_to_messages,
)

from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.hooks import STASH, VAULT
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.egress import GUARD
from moagraph.nodes.models.provider import find_provider
from moagraph.nodes.privacy import vault
from moagraph.nodes.privacy.placeholders import kind_of, put_back
from moagraph.nodes.privacy.spelling_variants import HIDDEN, spans
from moagraph.nodes.state import Json, State
from moagraph.nodes.step_support.registry import has_property
from moagraph.prompts import names, read

M = TypeVar("M", bound=BaseMessage)

HANDLE = "(kept on this machine)"
IN_PROCESS = {"local", "scripted"}  # providers that run inside this process
SENT_FIELDS = {"content", "tool_calls", "name"}  # fields of a message that are sent
EXTRAS = {"stop", "response_format", "tools", "tool_choice", "extra_body"}
LISTS = ("people", "deny", "patterns")  # settings in which a recipe lists private details
MIN_SEGMENT = 12  # characters; a shorter piece of a prompt could hide a user's text by chance


def is_private(recipe: Json) -> bool:
    """Return whether the recipe has a step that redacts."""
    return any(has_property(step, "redacts") for step in recipe.get("before", ()))


def enter(state: State, recipe: Json) -> Json:
    """Return the changes to the recipe in the state: a vault token, and no private lists.

    The lists name the very details to hide, and the state is stored and traced; they move to the
    vault, which is not.

    Args:
        state: The state at the start of the turn.
        recipe: The resolved recipe.
    """
    token_of_thread = state.get("recipe", {}).get("vault")
    if not is_private(recipe):
        return {"vault": token_of_thread} if token_of_thread else {}
    stashes = [message.response_metadata.get(STASH) for message in state["messages"]]
    token = token_of_thread or next(filter(None, stashes), None)
    safe = vault.opened(str(token)) if token else vault.Vault(vault.new_token())
    [step] = [step for step in recipe["before"] if has_property(step, "redacts")]
    safe.told = {key: step[key] for key in LISTS if key in step}
    vault.keep(safe)
    bare = {key: value for key, value in step.items() if key not in LISTS}
    before = [bare if item is step else item for item in recipe["before"]]
    return {"vault": safe.token, "before": before}


def take_in(payload: Any) -> tuple[Any, str | None]:
    """Replace the messages of the input with handles.

    Returns:
        The input with handles, and the token of the vault that holds the texts, if any.
    """
    if not isinstance(payload, Mapping) or "messages" not in payload:
        return payload, None
    content = payload["messages"]
    messages = convert_to_messages(content if isinstance(content, list) else [content])
    if all(_is_settled(message) for message in messages):
        return {**payload, "messages": messages}, None
    stash = vault.Vault(vault.new_token())
    handles = [m if _is_settled(m) else _to_handle(m, stash) for m in messages]
    vault.keep(stash)
    return {**payload, "messages": handles}, stash.token


def text_of(message: BaseMessage) -> str:
    """Return the text of a message; raise UsageError if it holds anything else."""
    parts = message.content if isinstance(message.content, list) else []
    non_text = [part for part in parts if isinstance(part, dict) and part.get("type") != "text"]
    if non_text or isinstance(message, ToolMessage) or getattr(message, "tool_calls", None):
        raise UsageError(
            "a private recipe redacts text: it takes no pictures, no files and no tool calls"
        )
    return str(message.text)


def original(message: BaseMessage) -> str | None:
    """Return the text that is still to be redacted; None if the message is redacted already."""
    if VAULT in message.response_metadata:
        return None
    token = message.response_metadata.get(STASH)
    if token is None:
        return text_of(message)
    held = vault.opened(str(token)).held
    if str(message.id) not in held:
        raise StorageError("what was asked is not on this machine any more: ask it again")
    return held[str(message.id)]


def covered(message: M, text: str, token: str) -> M:
    """Return the redacted message as it is stored.

    Args:
        message: The original, of which provider metadata is dropped: it may repeat the text.
        text: The text with placeholders.
        token: The vault of the placeholders.
    """
    finish = message.response_metadata.get("finish_reason")
    metadata = {VAULT: token, **({"finish_reason": finish} if finish else {})}
    # The name may be a person's.
    plain = {"content": text, "name": None, "additional_kwargs": {}, "response_metadata": metadata}
    return message.model_copy(update=plain)


def restored(message: M) -> M:
    """Return the message with its original text, or unchanged if this machine lacks its vault."""
    metadata = {**message.response_metadata}
    stash, token = metadata.pop(STASH, None), metadata.pop(VAULT, None)
    try:
        if stash:
            text = vault.opened(str(stash)).held.get(str(message.id), HANDLE)
        elif token:
            text = put_back(str(message.text), vault.opened(str(token)).values)
        else:
            return message
    except StorageError:
        # A thread can be read on another machine, with placeholders.
        return message
    return message.model_copy(update={"content": text, "response_metadata": metadata})


def restore(value: Any) -> Any:
    """Restore every message inside the value."""
    if isinstance(value, BaseMessage):
        return restored(value)
    if isinstance(value, dict):
        return {key: restore(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(restore(item) for item in value)
    return value


def guard(act: Callable[[State], Awaitable[Json]]) -> Callable[[State], Awaitable[Json]]:
    """Wrap a node so that none of its calls can send an original of its thread to a remote model.

    The last line of defence: it holds even if a step forgets to redact.
    """

    async def guarded(state: State) -> Json:
        if token := state.get("recipe", {}).get("vault"):
            # Not reset: each node runs in a context of its own.
            GUARD.set(partial(_refusal, token))
        return await act(state)

    return guarded


def leaks(texts: Sequence[str], values: Mapping[str, str]) -> dict[str, int]:
    """Count by kind the private details in the texts, in any spelling."""
    owners = {span.owner for text in texts for span in spans(_mask_own_prompts(text), values)}
    kinds = sorted(map(kind_of, owners))
    return {kind: kinds.count(kind) for kind in kinds}


def stays(call: Call) -> bool:
    """Whether the model runs inside this process."""
    provider = split(call.model)[0]
    if plugin := find_provider(provider):
        return plugin.is_in_process
    return provider in IN_PROCESS and not call.base_url


async def _refusal(token: str, call: Call, messages: Sequence[AnyMessage]) -> str | None:
    if stays(call):
        return None
    # Matching a long prompt takes long enough to block other calls on the event loop.
    counts = await asyncio.to_thread(_find_leaks, token, call, messages)
    if not counts:
        return None
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"would leak {summary}: it was not sent"


def _find_leaks(token: str, call: Call, messages: Sequence[AnyMessage]) -> dict[str, int]:
    fields = [message.model_dump(include=SENT_FIELDS) for message in messages]
    texts = [*_strings(fields), *_strings(call.model_dump(include=EXTRAS))]
    return leaks(texts, vault.opened(token).values)


def _is_settled(message: BaseMessage) -> bool:
    metadata = message.response_metadata
    return isinstance(message, RemoveMessage) or STASH in metadata or VAULT in metadata


def _to_handle(message: BaseMessage, stash: vault.Vault) -> BaseMessage:
    """Replace a message with a handle.

    The id is random: one that is derived from the text would let a reader confirm a guess.
    """
    text, id_ = text_of(message), uuid4().hex
    stash.held[id_] = text
    metadata = {STASH: stash.token}
    if isinstance(message, AIMessage):
        return AIMessage(HANDLE, id=id_, response_metadata=metadata)
    plain: Json = {"content": HANDLE, "name": None, "additional_kwargs": {}, "id": id_}
    return message.model_copy(update={**plain, "response_metadata": metadata})


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _mask_own_prompts(text: str) -> str:
    """Mask our own prompts: a word on a deny list must not block every call that uses it."""
    for segment in _prompt_segments():
        text = text.replace(segment, HIDDEN * len(segment))
    return text


@cache
def _prompt_segments() -> list[str]:
    """Return the fixed parts of the shipped prompts, longest first."""
    bare = [Template.pattern.sub(HIDDEN, read(name)) for name in names()]
    parts = [part for text in bare for part in text.split(HIDDEN)]
    return sorted({part for part in parts if len(part) >= MIN_SEGMENT}, key=len, reverse=True)


def forget(token: str) -> None:
    """Delete a vault."""
    vault.forget(token)
