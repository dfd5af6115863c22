"""How a thread is written down: one JSON document, checked before any of it is believed."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, cast

from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moagraph.nodes.errors import UsageError

FORMAT = 1
# Never the saver's own, which may pack or encrypt; and no file makes it load a class it chooses.
PLAIN = JsonPlusSerializer(allowed_msgpack_modules=None)

Kind = Literal["null", "bytes", "bytearray", "msgpack"]
Tasks: TypeAlias = dict[str, list[tuple[str, Any]]]


class Entry(BaseModel):
    """One checkpoint: its frame as it is, its values and writes as the engine writes them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ns: str
    id: str = Field(pattern="^[0-9a-f-]{36}$")
    parent: str | None
    frame: dict[str, Any]
    values: dict[str, tuple[Kind, str]]
    metadata: dict[str, Any]
    writes: list[tuple[str, str, Kind, str]]

    def checkpoint(self) -> Checkpoint:
        """The checkpoint as a saver takes it."""
        values = {channel: _decode_value(*value) for channel, value in self.values.items()}
        return cast(Checkpoint, {**self.frame, "id": self.id, "channel_values": values})

    def tasks(self) -> Tasks:
        """What each task wrote, in the order of the tasks."""
        wrote: Tasks = {}
        for task, channel, *value in self.writes:
            wrote.setdefault(task, []).append((channel, _decode_value(*value)))
        return wrote


class Document(BaseModel):
    """A thread's checkpoints, oldest first, and a sum that tells damage."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    thread_id: str = Field(min_length=1)
    sha256: str
    checkpoints: list[Entry] = Field(min_length=1)


def make_document(thread_id: str, decode_entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The thread as it is exported."""
    content = {"sha256": _digest(decode_entries), "checkpoints": decode_entries}
    return {"format": FORMAT, "thread_id": thread_id, **content}


def check_document(document: Mapping[str, Any]) -> Document:
    """The document, or in one line what is wrong with it."""
    version = document.get("format") if isinstance(document, Mapping) else None
    if type(version) is not int or "checkpoints" not in document:
        raise UsageError("this is no exported thread: `moa threads export` writes them")
    if version > FORMAT:
        raise UsageError(
            f"the thread has format {version}, and this moagraph knows {FORMAT}: update moagraph"
        )
    try:
        # As JSON says it: strictness then minds no difference between lists and tuples.
        parsed = Document.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise damaged_export(f"{path}: {first['msg']}") from error
    if parsed.sha256 != _digest(document["checkpoints"]):
        raise damaged_export("its sum is another")
    return parsed


def decode_entries(parsed: Document) -> Iterator[tuple[Entry, Checkpoint, Tasks]]:
    """Everything is read before anything is kept."""
    for entry in parsed.checkpoints:
        try:
            checkpoint, tasks = entry.checkpoint(), entry.tasks()
            _check(checkpoint)
        except (ValueError, TypeError, KeyError) as error:
            raise damaged_export(f"checkpoint {entry.id}: {error}") from error
        yield entry, checkpoint, tasks


def _check(checkpoint: Checkpoint) -> None:
    for name in ("channel_versions", "versions_seen"):
        if not isinstance(checkpoint.get(name), dict):
            raise TypeError(f"`{name}` is no table")


def encode_value(value: Any) -> list[str]:
    """A value as JSON can carry it: its kind, and its bytes in base64."""
    kind, data = PLAIN.dumps_typed(value)
    return [kind, b64encode(data).decode()]


def _decode_value(kind: str, data: str) -> Any:
    return PLAIN.loads_typed((kind, b64decode(data, validate=True)))


def _digest(decode_entries: list[dict[str, Any]]) -> str:
    """Of what is said and not of how: keys in any order, spaces anywhere."""
    return hashlib.sha256(json.dumps(decode_entries, sort_keys=True).encode()).hexdigest()


def damaged_export(reason: str) -> UsageError:
    """Why an exported thread is not taken in."""
    return UsageError(f"the exported thread is damaged: {reason}; export it again")
