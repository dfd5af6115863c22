"""The server as a process: its socket and its uvicorn configuration."""

import socket
from collections.abc import Callable
from functools import partial

import uvicorn

from moagraph.nodes.errors import UsageError
from moagraph.server.api_keys import VARIABLE, is_loopback
from moagraph.server.app import create_app
from moagraph.server.http_protocol import HttpConnection
from moagraph.server.settings import ServerSettings

# Seconds that running requests get after the server was told to stop.
SHUTDOWN_SECONDS = 5


def serve(host: str, port: int, settings: ServerSettings, on_ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop.

    Args:
        host: The address to listen on; other than loopback only with API keys.
        port: The port; 0 chooses a free one.
        settings: The server's settings.
        on_ready: Is called with the base URL once clients can connect.
    """
    if not is_loopback(host) and not settings.keys:
        raise UsageError(
            f"{host!r} lets other machines in, which needs API keys: set {VARIABLE}, "
            "or name a file with --api-keys"
        )
    with _listen(host, port) as listener:
        on_ready(f"http://{_url_host(host)}:{listener.getsockname()[1]}/v1")
        create_server(settings).run(sockets=[listener])


def create_server(settings: ServerSettings) -> uvicorn.Server:
    """Configure uvicorn; it does not listen yet."""
    config = uvicorn.Config(
        create_app(settings),
        http=partial(HttpConnection, limits=settings.connection),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        proxy_headers=False,  # a header must not make a foreign client look local
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot listen at {host}:{port}: {reason}; choose another --port"
        raise UsageError(message) from error
    return listener


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
