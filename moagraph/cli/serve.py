"""`moa serve`: recipes for every client that speaks OpenAI's protocol."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from moagraph.cli.render.output import say
from moagraph.nodes.errors import MissingExtra


def serve(
    host: Annotated[
        str, typer.Option(help="Beyond this machine only with API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One key a line; MOA_API_KEYS holds them with commas."),
    ] = None,
    running: Annotated[int, typer.Option(min=1, help="How many requests run at once.")] = 64,
    waiting: Annotated[int, typer.Option(min=0, help="How many may wait for their turn.")] = 256,
    body_mb: Annotated[int, typer.Option(min=1, help="How large a request may be.")] = 4,
) -> None:
    """Serve the recipes to every client that speaks OpenAI's protocol."""
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise MissingExtra("`moa serve` needs `pip install 'moagraph[serve]'`")
    from moagraph.server.api_keys import read_api_keys
    from moagraph.server.serve import serve
    from moagraph.server.settings import ServerSettings

    settings = ServerSettings(read_api_keys(api_keys), running, waiting, body_mb * 2**20)
    keys = "an API key is needed" if settings.keys else "no key is needed"
    serve(host, port, settings, lambda url: say(f"moa: serving {url}, {keys}; Ctrl-C ends"))
