"""Encryption at rest, where the environment holds a key for it."""

import importlib.util
import os

from langgraph.checkpoint.serde.base import SerializerProtocol

from moagraph.nodes.errors import MissingExtra, UsageError

KEY = "MOA_ENCRYPTION_KEY"


def sealed(plain: SerializerProtocol) -> SerializerProtocol:
    """The serializer, with what it writes encrypted."""
    key = sealing_key()
    if not key:
        return plain
    need("Crypto", KEY, "encryption")
    if len(key) not in (16, 24, 32):
        raise UsageError(f"{KEY} must be 16, 24 or 32 bytes long; it has {len(key)}")
    from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

    return EncryptedSerializer.from_pycryptodome_aes(serde=plain, key=key)


def sealing_key() -> bytes:
    """The key; empty where nothing is encrypted."""
    return os.environ.get(KEY, "").encode()


def need(module: str, variable: str, extra: str) -> None:
    """Refuse a variable whose package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise MissingExtra(f"{variable} is set, which needs `pip install 'moagraph[{extra}]'`")
