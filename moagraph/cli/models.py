"""`moa models`: the providers, and what each still needs."""

import json
import os

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out


def models(as_json: JsonOption = False) -> None:
    """List the providers, their variables, and what each still needs."""
    from moagraph.nodes.models.providers import PACKAGES, PROVIDERS

    rows = [_summary(name) for name in PROVIDERS]
    if as_json:
        out(json.dumps(rows))
        return
    for row in rows:
        out(f"{row['provider']:<10} {row['state']}")
    names = ", ".join(f"{name}:" for name in PACKAGES)
    out(f"with `pip install langchain` and the provider's own package: {names}")


def _summary(name: str) -> dict[str, str | None]:
    from moagraph.nodes.models.providers import PROVIDERS

    provider = PROVIDERS[name]
    variables = [variable for variable in (provider.key_env, provider.url_env) if variable]
    state = ", ".join(f"{v} {'is set' if os.environ.get(v) else 'is not set'}" for v in variables)
    return {"provider": name, "key_env": provider.key_env, "state": state or "needs nothing"}
