"""The server as a process: where it listens, and whom it may listen to."""

import socket
from collections.abc import Callable

import uvicorn

from moagraph.nodes.errors import UsageError
from moagraph.server.api_keys import VARIABLE, is_local
from moagraph.server.app import Settings, create_app
from moagraph.server.http_protocol import HEADERS_MOST, Wire

# Seconds that requests under way get when the server is told to stop.
GRACE = 5


def serve(host: str, port: int, settings: Settings, ready: Callable[[str], None]) -> None:
    """Listen until told to stop; `ready` hears the address once clients are let in."""
    if not is_local(host) and not settings.keys:
        raise UsageError(
            f"{host!r} lets other machines in, which needs API keys: set {VARIABLE}, "
            "or name a file with --api-keys"
        )
    with _listening(host, port) as door:
        ready(f"http://{_shown(host)}:{door.getsockname()[1]}/v1")
        server(settings).run(sockets=[door])


def server(settings: Settings) -> uvicorn.Server:
    """The server before it listens."""
    config = uvicorn.Config(
        create_app(settings),
        http=Wire,
        ws="none",
        lifespan="on",
        h11_max_incomplete_event_size=HEADERS_MOST,
        proxy_headers=False,  # nobody may say by a header that he is this machine
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        door = socket.socket(family, kind, proto)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen at {host}:{port}: {why}; choose another --port") from error
    return door


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
