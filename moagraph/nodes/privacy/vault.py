"""What placeholders stand for: a file for each thread in the data folder, for this user only.

It is never a part of a state, a trace or a checkpoint; these know only the name of the file.
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

    `others` are vaults of later turns' messages, which go when this one goes; `told` is what the
    recipe lists as private.
    """

    token: str
    values: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def placeholder(self, owner: str, text: str) -> str:
        """The one for this very spelling of what the name stands for."""
        for name, value in self.values.items():
            if value == text and name.startswith(f"<{owner}"):
                return name
        name = spelled(self.values, owner)
        self.values[name] = text
        return name


def new_token() -> str:
    """A name that tells nothing."""
    return secrets.token_hex(16)


def known(token: str) -> bool:
    """Whether the file is on this machine."""
    return _file(token).exists()


def opened(token: str) -> Vault:
    """The vault of that name; where there is none, who asks is told so."""
    try:
        kind, _, data = _file(token).read_bytes().partition(b"\n")
        said = _serde().loads_typed((kind.decode(), data))
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
    return Vault(**json.loads(said))


def keep(vault: Vault) -> None:
    """Write it whole or not at all."""
    file = _file(vault.token)
    new = file.with_suffix(f".{secrets.token_hex(4)}")
    kind, data = _serde().dumps_typed(json.dumps(asdict(vault)))
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(kind.encode() + b"\n" + data)
        new.replace(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise _unusable(error) from error


def forget(token: str) -> None:
    """Let go of it and of those that belong to it; there may be none."""
    try:
        others = opened(token).others if known(token) else []
    except StorageError:  # sealed with another key: its file goes all the same
        others = []
    for one in (token, *others):
        _file(one).unlink(missing_ok=True)


def settle(vault: Vault) -> None:
    """Let go of messages that are redacted, once that is kept."""
    if vault.held or vault.others:
        for one in vault.others:
            _file(one).unlink(missing_ok=True)
        vault.held, vault.others = {}, []
        keep(vault)


def _file(token: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{32}", token):  # it may come with a thread from elsewhere
        raise StorageError(f"{token!r} does not name a file of placeholders")
    return data_folder() / FOLDER / token


def _serde() -> Any:
    return encrypt_serializer(JsonPlusSerializer())


def _unusable(error: OSError) -> StorageError:
    return StorageError(
        f"cannot use {str(data_folder() / FOLDER)!r}: {error.strerror}; "
        "set MOA_HOME to a folder that can be written to"
    )
