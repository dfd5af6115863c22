"""`moa serve`: recipes for every client that speaks OpenAI's protocol."""

import importlib.util
from pathlib import Path

from moagraph.cli.render.output import say
from moagraph.nodes.errors import MissingExtra


def serve(
    host: str, port: int, api_keys: Path | None, running: int, waiting: int, body_mb: int
) -> None:
    """Serve until Ctrl-C."""
    for needed in ("starlette", "uvicorn"):
        if importlib.util.find_spec(needed) is None:
            raise MissingExtra("`moa serve` needs `pip install 'moagraph[serve]'`")
    from moagraph.server.api_keys import read_api_keys
    from moagraph.server.serve import serve as listen
    from moagraph.server.settings import ServerSettings

    settings = ServerSettings(read_api_keys(api_keys), running, waiting, body_mb * 2**20)
    needed = "an API key is needed" if settings.keys else "no key is needed"
    listen(host, port, settings, lambda url: say(f"moa: serving {url}, {needed}; Ctrl-C ends"))
