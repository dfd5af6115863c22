"""The checks of `moa doctor`: the data folder, the local engine, and each model of a recipe."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import httpx

from moagraph.cli.running.preflight import parse_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import MoaError
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import address, check, secret
from moagraph.nodes.state import Json
from moagraph.nodes.storage.data_dir import data_folder

HOSTED = {"together": "https://api.together.xyz/v1", "openai": "https://api.openai.com/v1"}
ModelList = Callable[[str, str | None], set[str] | str]  # of a server's address and a key


@dataclass(frozen=True)
class HealthCheck:
    """One line of `moa doctor`.

    Attributes:
        subject: What was checked.
        ok: Whether it can be used.
        message: What was found, and what to do if it cannot be used.
    """

    subject: str
    ok: bool
    message: str

    def as_json(self) -> Json:
        """As `moa doctor --json` prints it."""
        return {"what": self.subject, "ok": self.ok, "told": self.message}


def check_health(recipe: str) -> list[HealthCheck]:
    """Check this machine and each model of the recipe; a server is asked only once."""
    list_models = cache(_fetch_models)
    models = [_check_model(call, list_models) for call in _unique_calls(recipe)]
    return [_check_folder(), _check_engine(), *models]


def _unique_calls(recipe: str) -> Iterable[Call]:
    """The first call of each model at each address."""
    calls: dict[tuple[str, str | None], Call] = {}
    for call in parse_calls(load_recipe(recipe).resolved()):
        calls.setdefault((call.model, call.base_url), call)
    return calls.values()


def _check_folder() -> HealthCheck:
    try:
        folder = data_folder()
    except MoaError as error:
        return HealthCheck("data folder", False, str(error))
    return HealthCheck("data folder", True, f"{folder} can be written to")


def _check_engine() -> HealthCheck:
    if importlib.util.find_spec("xllamacpp"):
        return HealthCheck("local engine", True, "xllamacpp is installed")
    advice = "not installed (only `local:` models need it): `pip install 'moagraph[local]'`"
    return HealthCheck("local engine", True, advice)


def _check_model(call: Call, list_models: ModelList) -> HealthCheck:
    provider, model = split(call.model)
    try:
        check(call)
        key, url = secret(call), address(call) or HOSTED.get(provider)
    except MoaError as error:
        return HealthCheck(call.model, False, str(error))
    if url is None:
        return _check_without_server(call.model, provider)
    served = list_models(url, key)
    if isinstance(served, str):
        return HealthCheck(call.model, False, served)
    if model in served or f"{model}:latest" in served:
        return HealthCheck(call.model, True, f"served by {url}")
    remedy = f"`ollama pull {model}`" if provider == "ollama" else "name another in the recipe"
    return HealthCheck(call.model, False, f"{url} answers, but does not serve it: {remedy}")


def _check_without_server(model: str, provider: str) -> HealthCheck:
    if provider != "local":
        reason = "needs no server" if provider == "scripted" else "not asked"
        return HealthCheck(model, True, reason)
    from moagraph.nodes.models.local.engine import available

    problem = available(split(model)[1])
    return HealthCheck(model, problem is None, problem or "can be loaded")


def _fetch_models(url: str, key: str | None) -> set[str] | str:
    """The names that the server lists, or why it lists none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(f"{url}/models", headers=headers, timeout=10)
        response.raise_for_status()
        body = response.json()
        models = body["data"] if isinstance(body, dict) else body
        return {model["id"] for model in models}
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        remedy = "check the key" if status in (401, 403) else "check the address"
        return f"{url} answers {status}: {remedy}"
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"{url} does not answer ({type(error).__name__}): start it, or check the address"
