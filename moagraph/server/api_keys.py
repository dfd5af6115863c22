"""Who may ask: API keys from the environment or a file, and nobody but this machine without."""

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


class Keys:
    """The keys, as digests only."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Digest them: digests are as long as each other and say nothing in a dump."""
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        """Whether a key is needed at all."""
        return bool(self._digests)

    def owner(self, request: Request) -> str:
        """Under which name this caller's threads are kept; whoever may not ask is refused."""
        if not self:
            _check_local(request)
            return "api-open"
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        digest = _digest(key.strip())
        # Every key is compared, so that the time says nothing about which one was near.
        fits = [hmac.compare_digest(digest, known) for known in self._digests]
        if scheme.lower() != "bearer" or not any(fits):
            raise ApiError(
                401,
                "a key of this server is needed: send `Authorization: Bearer <key>`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return f"api-{digest.hex()[:16]}"


def read_keys(file: Path | None = None) -> Keys:
    """The keys of that file, one a line, and those of MOA_API_KEYS, with commas between."""
    said = os.environ.get(VARIABLE, "").split(",")
    if file:
        try:
            lines = file.expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"cannot read the API keys in {str(file)!r}: {why}") from error
        said = [*said, *(line for line in lines if not line.lstrip().startswith("#"))]
    keys = [key.strip() for key in said if key.strip()]
    if file and not keys:
        raise UsageError(f"{str(file)!r} holds no API key: write one a line")
    if any(not key.isascii() or " " in key for key in keys):
        raise UsageError("an API key must be ASCII without spaces: it travels in a header")
    return Keys(keys)


def is_local(host: str) -> bool:
    """Whether the name or the address is this machine's own loopback."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _check_local(request: Request) -> None:
    """Without keys only this machine asks, and no page that a browser here was lured to.

    A page's own name could be made to point to this machine; the `Host` header tells.
    """
    client = request.client.host if request.client else "localhost"
    if not is_local(client):
        raise ApiError(401, f"this server has no API keys: set {VARIABLE} to let others in")
    if not is_local(request.url.hostname or ""):
        raise ApiError(403, f"{request.url.hostname!r} is not this machine: ask 127.0.0.1")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
