"""Vaults: the originals of placeholders, one file per thread, readable by this user only.

The originals are never part of a state, a trace or a checkpoint, which hold only the vault's token.
"""

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from moagraph.nodes.errors import StorageError
from moagraph.nodes.privacy.placeholders import spelled
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.nodes.storage.encryption import encrypt_serializer

FOLDER = "private"


@dataclass
class Vault:
    """Placeholders with their originals, and messages that are still to be redacted.

    `others` are vaults with messages of later turns, which are deleted with this one; `told` is
    what the recipe lists as private. The field names are keys of the stored file.
    """

    token: str
    values: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def placeholder(self, owner: str, text: str) -> str:
        """Return the placeholder of this exact spelling; a new spelling gets a new placeholder."""
        for name, value in self.values.items():
            if value == text and name.startswith(f"<{owner}"):
                return name
        name = spelled(self.values, owner)
        self.values[name] = text
        return name


def new_token() -> str:
    """Return a random name for a vault."""
    return secrets.token_hex(16)


def exists(token: str) -> bool:
    """Return whether the vault is on this machine."""
    return _file(token).exists()


def opened(token: str) -> Vault:
    """Load a vault.

    Raises:
        StorageError: It is not on this machine, or cannot be decrypted or read.
    """
    try:
        kind, _, data = _file(token).read_bytes().partition(b"\n")
        text = _serde().loads_typed((kind.decode(), data))
    except FileNotFoundError as error:
        raise StorageError(
            "what this thread's placeholders stand for is not on this machine: begin a new thread"
        ) from error
    except (ValueError, NotImplementedError) as error:
        raise StorageError(
            "what the placeholders stand for is encrypted: "
            "set MOA_ENCRYPTION_KEY to the key that it was written with"
        ) from error
    except OSError as error:
        raise _unusable(error) from error
    return Vault(**json.loads(text))


def keep(vault: Vault) -> None:
    """Write the vault atomically."""
    file = _file(vault.token)
    # A random suffix, as two processes may write the same vault at once.
    new = file.with_suffix(f".{secrets.token_hex(4)}")
    kind, data = _serde().dumps_typed(json.dumps(asdict(vault)))
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        # The mode is set on creation: a later chmod would leave it readable for a moment.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(kind.encode() + b"\n" + data)
        new.replace(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise _unusable(error) from error


def forget(token: str) -> None:
    """Delete a vault and those that belong to it, if they exist."""
    try:
        others = opened(token).others if exists(token) else []
    except StorageError:  # encrypted with another key; deleting needs no key
        others = []
    for name in (token, *others):
        _file(name).unlink(missing_ok=True)


def settle(vault: Vault) -> None:
    """Delete the pending messages of a turn, once their redacted form is stored."""
    if vault.held or vault.others:
        for name in vault.others:
            _file(name).unlink(missing_ok=True)
        vault.held, vault.others = {}, []
        keep(vault)


def _file(token: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{32}", token):  # an imported thread may name any path
        raise StorageError(f"{token!r} does not name a file of placeholders")
    return data_folder() / FOLDER / token


def _serde() -> Any:
    return encrypt_serializer(JsonPlusSerializer())


def _unusable(error: OSError) -> StorageError:
    return StorageError(
        f"cannot use {str(data_folder() / FOLDER)!r}: {error.strerror}; "
        "set MOA_HOME to a folder that can be written to"
    )
