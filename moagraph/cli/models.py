"""`moa models`: the providers, what each still needs, and the package that it comes from."""

import json
import os
from typing import Any

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say


def models(as_json: JsonOption = False) -> None:
    """List the providers, their variables, and what each still needs."""
    from moagraph.nodes.models.provider import PROVIDER_TYPES
    from moagraph.nodes.models.providers import PACKAGES, PROVIDERS

    rows = [_summary(name) for name in PROVIDERS]
    rows += [_extension_summary(name) for name in PROVIDER_TYPES.names() if name not in PROVIDERS]
    if as_json:
        out(json.dumps(rows))
        return
    for row in rows:
        if row.get("error"):
            say(f"moa: {row['error']}")
        else:
            out(f"{row['provider']:<10} {row['state']}")
    names = ", ".join(f"{name}:" for name in PACKAGES)
    out(f"with `pip install langchain` and the provider's own package: {names}")


def _summary(name: str) -> dict[str, Any]:
    from moagraph.nodes.models.providers import PROVIDERS

    provider = PROVIDERS[name]
    variables = [variable for variable in (provider.key_env, provider.url_env) if variable]
    state = _state(variables)
    return {"provider": name, "key_env": provider.key_env, "state": state, "package": "moagraph"}


def _extension_summary(name: str) -> dict[str, Any]:
    """Describe a provider of an optional module or another package."""
    from moagraph.nodes.errors import ExtensionError
    from moagraph.nodes.models.provider import PROVIDER_TYPES, find_provider

    try:
        extension, provider = PROVIDER_TYPES.find(name), find_provider(name)
    except ExtensionError as error:
        return {"provider": name, "key_env": None, "state": "", "error": str(error)}
    package = extension.package if extension else None
    state = _state(list(provider.variables) if provider else [])
    if package != "moagraph":
        state = f"{state} (from {package})"
    return {"provider": name, "key_env": None, "state": state, "package": package}


def _state(variables: list[str]) -> str:
    states = (f"{v} {'is set' if os.environ.get(v) else 'is not set'}" for v in variables)
    return ", ".join(states) or "needs nothing"
