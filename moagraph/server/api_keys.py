"""API keys from the environment or a file; without keys, only this machine may call."""

import hashlib
import hmac
import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request

from moagraph.nodes.errors import UsageError
from moagraph.server.protocol_errors import ApiError

VARIABLE = "MOA_API_KEYS"


class ApiKeys:
    """The server's API keys, stored as digests."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Digest the keys: digests have one length and reveal nothing in a dump."""
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        """Whether a key is required."""
        return bool(self._digests)

    def authenticate(self, request: Request) -> str:
        """Return the caller's name, under which its threads are stored.

        Raises:
            ApiError: The caller has no valid key, or without keys is not on this machine.
        """
        if not self:
            _check_local(request)
            return "api-open"
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        digest = _digest(key.strip())
        # Every key is compared, so that the time does not depend on which one is near.
        matches = [hmac.compare_digest(digest, valid) for valid in self._digests]
        if scheme.lower() != "bearer" or not any(matches):
            raise ApiError(
                401,
                "a key of this server is needed: send `Authorization: Bearer <key>`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return f"api-{digest.hex()[:16]}"


def read_api_keys(file: Path | None = None) -> ApiKeys:
    """Read the keys of MOA_API_KEYS, separated by commas, and of a file, one per line.

    Args:
        file: The file; lines that begin with `#` are comments.
    """
    keys = _listed(os.environ.get(VARIABLE, "").split(","))
    if file:
        keys += _keys_of_file(file)
        if not keys:
            raise UsageError(f"{str(file)!r} holds no API key: write one a line")
    if any(not key.isascii() or " " in key for key in keys):
        raise UsageError("an API key must be ASCII without spaces: it travels in a header")
    return ApiKeys(keys)


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine's loopback."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _keys_of_file(file: Path) -> list[str]:
    try:
        lines = file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read the API keys in {str(file)!r}: {reason}") from error
    return _listed(line for line in lines if not line.lstrip().startswith("#"))


def _listed(entries: Iterable[str]) -> list[str]:
    return [entry.strip() for entry in entries if entry.strip()]


def _check_local(request: Request) -> None:
    """Without keys, accept only requests from this machine that name this machine.

    A web page in a browser here can make its own domain resolve to this machine (DNS
    rebinding); its requests then have a foreign `Host` header.
    """
    client = request.client.host if request.client else "localhost"
    if not is_loopback(client):
        raise ApiError(401, f"this server has no API keys: set {VARIABLE} to let others in")
    if not is_loopback(request.url.hostname or ""):
        raise ApiError(403, f"{request.url.hostname!r} is not this machine: ask 127.0.0.1")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
