"""Encryption of stored data, if the environment has a key for it."""

import importlib.util
import os

from langgraph.checkpoint.serde.base import SerializerProtocol

from moagraph.nodes.errors import MissingExtra, UsageError

KEY = "MOA_ENCRYPTION_KEY"


def encrypt_serializer(plain: SerializerProtocol) -> SerializerProtocol:
    """Return a serializer that encrypts what it writes.

    Args:
        plain: The serializer itself, which is returned if there is no key.
    """
    key = encryption_key()
    if not key:
        return plain
    require_module("Crypto", KEY, "encryption")
    if len(key) not in (16, 24, 32):
        raise UsageError(f"{KEY} must be 16, 24 or 32 bytes long; it has {len(key)}")
    from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

    return EncryptedSerializer.from_pycryptodome_aes(serde=plain, key=key)


def encryption_key() -> bytes:
    """Return the key; empty if nothing is encrypted."""
    return os.environ.get(KEY, "").encode()


def require_module(module: str, variable: str, extra: str) -> None:
    """Refuse a variable whose package is not installed.

    Args:
        module: The module that must be importable.
        variable: The environment variable that needs it.
        extra: The extra of moagraph that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise MissingExtra(f"{variable} is set, which needs `pip install 'moagraph[{extra}]'`")
