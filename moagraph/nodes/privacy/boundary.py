"""The border between this machine and models elsewhere: what may be kept, sent, and shown.

A private run's messages reach the engine as handles, are kept with placeholders, and get their
originals back only where they leave the graph for whoever asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
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
from langgraph.checkpoint.base import CheckpointTuple

from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.egress import GUARD
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.hooks import STASH, VAULT, marked_vaults
from moagraph.nodes.step_support.registry import has_property
from moagraph.nodes.privacy import vault
from moagraph.nodes.privacy.placeholders import kind_of, put_back
from moagraph.nodes.privacy.spelling_variants import HIDDEN, spans
from moagraph.nodes.state import Json, State
from moagraph.prompts import names, read

M = TypeVar("M", bound=BaseMessage)

HANDLE = "(kept on this machine)"
HERE = {"local", "scripted"}  # providers inside this process
SPOKEN = {"content", "tool_calls", "name"}  # what of a message is sent
EXTRAS = {"stop", "response_format", "tools", "tool_choice", "extra_body"}
LISTS = ("people", "deny", "patterns")  # what a recipe says is private
SEGMENT = 12  # signs of our own prompts from which they are known again


def is_private(recipe: Json) -> bool:
    """Whether the recipe redacts what it is asked."""
    return any(has_property(step, "redacts") for step in recipe.get("before", ()))


def enter(state: State, recipe: Json) -> Json:
    """What the state keeps of the recipe: its thread's vault, and not what it lists as private."""
    kept = state.get("recipe", {}).get("vault")
    if not is_private(recipe):
        return {"vault": kept} if kept else {}
    named = [message.response_metadata.get(STASH) for message in state["messages"]]
    token = kept or next(filter(None, named), None)
    safe = vault.opened(str(token)) if token else vault.Vault(vault.new_token())
    [step] = [step for step in recipe["before"] if has_property(step, "redacts")]
    safe.told = {key: step[key] for key in LISTS if key in step}
    vault.keep(safe)
    bare = {key: value for key, value in step.items() if key not in LISTS}
    before = [bare if one is step else one for one in recipe["before"]]
    return {"vault": safe.token, "before": before}


def take_in(given: Any) -> tuple[Any, str | None]:
    """The input without its words, and the name of the vault that holds them."""
    if not isinstance(given, Mapping) or "messages" not in given:
        return given, None
    said = given["messages"]
    messages = convert_to_messages(said if isinstance(said, list) else [said])
    if all(_settled(message) for message in messages):
        return {**given, "messages": messages}, None
    stash = vault.Vault(vault.new_token())
    handles = [m if _settled(m) else _handle(m, stash) for m in messages]
    vault.keep(stash)
    return {**given, "messages": handles}, stash.token


def text_of(message: BaseMessage) -> str:
    """The message's words, refused where it is more than text."""
    parts = message.content if isinstance(message.content, list) else []
    other = [part for part in parts if isinstance(part, dict) and part.get("type") != "text"]
    if other or isinstance(message, ToolMessage) or getattr(message, "tool_calls", None):
        raise UsageError(
            "a private recipe redacts text: it takes no pictures, no files and no tool calls"
        )
    return str(message.text)


def original(message: BaseMessage) -> str | None:
    """What is still to be redacted in it; None where that is done."""
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
    """The message as it is kept: with placeholders, and the name of what they stand for."""
    finish = message.response_metadata.get("finish_reason")
    told = {VAULT: token, **({"finish_reason": finish} if finish else {})}
    plain = {"content": text, "name": None, "additional_kwargs": {}, "response_metadata": told}
    return message.model_copy(update=plain)


def restored(message: M) -> M:
    """The message with its originals; as it is kept, where they are not on this machine."""
    told = {**message.response_metadata}
    stash, token = told.pop(STASH, None), told.pop(VAULT, None)
    try:
        if stash:
            text = vault.opened(str(stash)).held.get(str(message.id), HANDLE)
        elif token:
            text = put_back(str(message.text), vault.opened(str(token)).values)
        else:
            return message
    except StorageError:
        return message
    return message.model_copy(update={"content": text, "response_metadata": told})


def restore(value: Any) -> Any:
    """The value with the originals in each of its messages."""
    if isinstance(value, BaseMessage):
        return restored(value)
    if isinstance(value, dict):
        return {key: restore(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(restore(item) for item in value)
    return value


def guard(act: Callable[[State], Awaitable[Json]]) -> Callable[[State], Awaitable[Json]]:
    """The act, none of whose calls may carry an original of its thread's elsewhere."""

    async def told(state: State) -> Json:
        if token := state.get("recipe", {}).get("vault"):
            GUARD.set(partial(_refusal, token))
        return await act(state)

    return told


def leaks(texts: Sequence[str], values: Mapping[str, str]) -> dict[str, int]:
    """How many things of which kind stand in the texts, however they are spelled."""
    owners = {span.owner for text in texts for span in spans(_without_ours(text), values)}
    kinds = sorted(map(kind_of, owners))
    return {kind: kinds.count(kind) for kind in kinds}


def stays(call: Call) -> bool:
    """Whether the model runs inside this process."""
    return split(call.model)[0] in HERE and not call.base_url


async def _refusal(token: str, call: Call, messages: Sequence[AnyMessage]) -> str | None:
    if stays(call):
        return None
    found = await asyncio.to_thread(_leaking, token, call, messages)
    if not found:
        return None
    told = ", ".join(f"{count} {kind}" for kind, count in found.items())
    return f"would leak {told}: it was not sent"


def _leaking(token: str, call: Call, messages: Sequence[AnyMessage]) -> dict[str, int]:
    said = [message.model_dump(include=SPOKEN) for message in messages]
    texts = [*_strings(said), *_strings(call.model_dump(include=EXTRAS))]
    return leaks(texts, vault.opened(token).values)


def _settled(message: BaseMessage) -> bool:
    told = message.response_metadata
    return isinstance(message, RemoveMessage) or STASH in told or VAULT in told


def _handle(message: BaseMessage, stash: vault.Vault) -> BaseMessage:
    """An id by chance: the engine's own would be made of the text."""
    text, id_ = text_of(message), uuid4().hex
    stash.held[id_] = text
    told = {STASH: stash.token}
    if isinstance(message, AIMessage):
        return AIMessage(HANDLE, id=id_, response_metadata=told)
    plain: Json = {"content": HANDLE, "name": None, "additional_kwargs": {}, "id": id_}
    return message.model_copy(update={**plain, "response_metadata": told})


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


def _without_ours(text: str) -> str:
    """Our own prompts name nobody, whatever words a deny-list holds."""
    for segment in _ours():
        text = text.replace(segment, HIDDEN * len(segment))
    return text


@cache
def _ours() -> list[str]:
    """The parts of the prompts that ship, between the places where values go."""
    bare = [Template.pattern.sub(HIDDEN, read(name)) for name in names()]
    parts = [part for text in bare for part in text.split(HIDDEN)]
    return sorted({part for part in parts if len(part) >= SEGMENT}, key=len, reverse=True)


def forget(token: str) -> None:
    """Delete a vault."""
    vault.forget(token)
