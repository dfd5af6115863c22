"""`moa doctor` and `moa models`: what this machine can run, and what to do where it cannot."""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import httpx

from moagraph.api.default_recipe import choose
from moagraph.cli.preflight import asked
from moagraph.cli.render.output import out, say
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import PACKAGES, PROVIDERS, address, check, secret
from moagraph.nodes.storage.data_dir import data_folder

HOSTED = {"together": "https://api.together.xyz/v1", "openai": "https://api.openai.com/v1"}


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is well, and what to do."""

    what: str
    ok: bool
    told: str


def doctor(recipe: str | None, as_json: bool) -> None:
    """Check the data folder, the local engine, and each model of the recipe."""
    choice = None if recipe else choose()
    name = recipe or (choice.recipe if choice else "local")
    checks = [_folder(), _engine(), *_models(name)]
    if as_json:
        out(json.dumps({"recipe": name, "checks": [asdict(check) for check in checks]}))
    else:
        out(f"recipe `{name}`" + (f": {choice.why}" if choice else ""))
        for one in checks:
            out(f"{'ok  ' if one.ok else 'FAIL'} {one.what}: {one.told}")
    if not all(one.ok for one in checks):
        say("moa: something above must be mended first")
        sys.exit(1)


def models(as_json: bool) -> None:
    """Every provider: the variables it honours, and whether they are set."""
    rows = [_provider(name) for name in PROVIDERS]
    if as_json:
        out(json.dumps(rows))
        return
    for row in rows:
        out(f"{row['provider']:<10} {row['state']}")
    names = ", ".join(f"{name}:" for name in PACKAGES)
    out(f"with `pip install langchain` and the provider's own package: {names}")


def _provider(name: str) -> dict[str, str | None]:
    provider = PROVIDERS[name]
    variables = [variable for variable in (provider.key_env, provider.url_env) if variable]
    told = ", ".join(f"{v} {'is set' if os.environ.get(v) else 'is not set'}" for v in variables)
    return {"provider": name, "key_env": provider.key_env, "state": told or "needs nothing"}


def _folder() -> Check:
    try:
        folder = data_folder()
    except MoaError as error:
        return Check("data folder", False, str(error))
    return Check("data folder", True, f"{folder} can be written to")


def _engine() -> Check:
    if importlib.util.find_spec("xllamacpp"):
        return Check("local engine", True, "xllamacpp is installed")
    told = "not installed (only `local:` models need it): `pip install 'moagraph[local]'`"
    return Check("local engine", True, told)


def _models(recipe: str) -> Iterator[Check]:
    """Each model of the recipe; each server is asked once for what it serves."""
    served: dict[tuple[str | None, str | None], set[str] | str] = {}
    for call in asked(load_recipe(recipe)):
        if (call.model, call.base_url) in served:
            continue
        served[(call.model, call.base_url)] = ""
        yield _model(call, served)


def _model(call: Call, served: dict[tuple[str | None, str | None], set[str] | str]) -> Check:
    provider, name = split(call.model)
    try:
        check(call)
        key, url = secret(call), address(call) or HOSTED.get(provider)
    except MoaError as error:
        return Check(call.model, False, str(error))
    if url is None:
        return _unasked(call.model, provider)
    where = (url, key)
    if where not in served:
        served[where] = _served(url, key)
    known = served[where]
    if isinstance(known, str):
        return Check(call.model, False, known)
    if name in known or f"{name}:latest" in known:
        return Check(call.model, True, f"served by {url}")
    remedy = f"`ollama pull {name}`" if provider == "ollama" else "name another in the recipe"
    return Check(call.model, False, f"{url} answers, but does not serve it: {remedy}")


def _unasked(model: str, provider: str) -> Check:
    if provider != "local":
        return Check(model, True, "needs no server" if provider == "scripted" else "not asked")
    from moagraph.nodes.models.local.engine import available

    problem = available(split(model)[1])
    return Check(model, problem is None, problem or "can be loaded")


def _served(url: str, key: str | None) -> set[str] | str:
    """The names that the server lists, or why it lists none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url}/models", headers=headers, timeout=10)
        answer.raise_for_status()
        listed = answer.json()
        models = listed["data"] if isinstance(listed, dict) else listed
        return {model["id"] for model in models}
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        remedy = "check the key" if status in (401, 403) else "check the address"
        return f"{url} answers {status}: {remedy}"
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"{url} does not answer ({type(error).__name__}): start it, or check the address"
