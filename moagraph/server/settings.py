"""The server's settings."""

from dataclasses import dataclass, field

from moagraph.server.api_keys import ApiKeys, read_api_keys
from moagraph.server.http_protocol import ConnectionLimits


@dataclass(frozen=True)
class ServerSettings:
    """What the operator chooses.

    Attributes:
        keys: The API keys; without any, only this machine may call.
        max_running: Runs at the same time.
        max_waiting: Requests that wait for a free run.
        max_body_bytes: The largest request body.
        keep_alive_seconds: A stream without an event for so long sends a comment.
        connection: Limits on connections.
    """

    keys: ApiKeys = field(default_factory=read_api_keys)
    max_running: int = 64
    max_waiting: int = 256
    max_body_bytes: int = 4 * 2**20
    keep_alive_seconds: float = 15.0
    connection: ConnectionLimits = field(default_factory=ConnectionLimits)
