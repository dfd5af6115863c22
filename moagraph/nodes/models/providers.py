"""The providers: their environment variables, addresses and keys."""

import importlib.util
import os
from dataclasses import dataclass
from difflib import get_close_matches

from moagraph.nodes.errors import MissingExtra, MissingKey, UnknownName, UsageError
from moagraph.nodes.models.address import checked_url, split
from moagraph.nodes.models.call import Call, Substitute
from moagraph.nodes.models.key_addresses import OWNERS, check_allowed, is_paired, origin
from moagraph.nodes.models.provider import find_provider

NO_KEY = "not-needed"


@dataclass(frozen=True)
class ProviderSettings:
    """One provider: its environment variables and its default address."""

    key_env: str | None = None
    needs_key: bool = False
    url_env: str | None = None
    url: str | None = None
    hosted: bool = True
    logprobs: bool = True


PROVIDERS = {
    "together": ProviderSettings("TOGETHER_API_KEY", True, "TOGETHER_API_BASE"),
    "openai": ProviderSettings("OPENAI_API_KEY", True, "OPENAI_BASE_URL"),
    "ollama": ProviderSettings(url_env="OLLAMA_HOST", url="http://127.0.0.1:11434"),
    "vllm": ProviderSettings(
        "VLLM_API_KEY", url_env="VLLM_BASE_URL", url="http://127.0.0.1:8000/v1"
    ),
    "local": ProviderSettings(hosted=False),
    "scripted": ProviderSettings(hosted=False, logprobs=False),
}

PACKAGES = {
    "anthropic": "langchain-anthropic",
    "azure_openai": "langchain-openai",
    "bedrock": "langchain-aws",
    "cohere": "langchain-cohere",
    "deepseek": "langchain-deepseek",
    "fireworks": "langchain-fireworks",
    "google_genai": "langchain-google-genai",
    "google_vertexai": "langchain-google-vertexai",
    "groq": "langchain-groq",
    "huggingface": "langchain-huggingface",
    "mistralai": "langchain-mistralai",
    "nvidia": "langchain-nvidia-ai-endpoints",
    "openrouter": "langchain-openrouter",
    "perplexity": "langchain-perplexity",
    "xai": "langchain-xai",
}


def check(call: Call) -> None:
    """Raise an error if the provider is unknown or lacks its key, before any call is made."""
    provider, name = split(call.model)
    if plugin := find_provider(provider):
        plugin.check(call, name)
    elif speaks_openai(call):
        secret(call)
    elif provider not in PACKAGES:
        raise UnknownName(_unknown(provider, call.model))
    else:
        _check_package(provider, call.model)


def speaks_openai(call: Call) -> bool:
    """Return whether the server speaks OpenAI's protocol."""
    return bool(call.base_url) or split(call.model)[0] in PROVIDERS


def gives_logprobs(call: Call | Substitute) -> bool:
    """Return whether the server supports log probabilities, as far as is known."""
    name, _ = split(call.model)
    if plugin := find_provider(name):
        return plugin.gives_logprobs
    return bool(call.base_url) or PROVIDERS.get(name, ProviderSettings(logprobs=False)).logprobs


def secret(call: Call) -> str | None:
    """The key of the call, from the environment; None where none is needed.

    A key whose variable is not paired with the call's address is refused, whoever wrote the recipe.
    """
    variable, needed = key_variable(call)
    key = os.environ.get(variable, "").strip() if variable else ""
    if needed and not key:
        raise MissingKey(
            f"{variable} is not set, and `{call.model}` needs it: set it, "
            "or run `moa ask --recipe local …`, which needs no key"
        )
    where = destination(call)
    if not variable or not key or where is None:
        return None
    # Last, as a call without a key has nothing to protect.
    check_allowed(variable, where)
    return key


def key_variable(call: Call) -> tuple[str | None, bool]:
    """Return the variable of the call's key, and whether the call needs one."""
    if call.api_key_env:
        return call.api_key_env, True
    if call.base_url:  # a provider's key never goes to an address that a recipe names
        return None, False
    provider = PROVIDERS.get(split(call.model)[0], ProviderSettings())
    return provider.key_env, provider.needs_key


def destination(call: Call) -> str | None:
    """Return where the call's key would be sent; None if no key is sent."""
    if url := address(call):
        return url
    provider = PROVIDERS.get(split(call.model)[0], ProviderSettings())
    owner = OWNERS.get(provider.key_env or "")
    if owner is None:
        return None
    # A client without an explicit address reads its provider's other variables itself.
    named = (os.environ.get(name, "").strip() for name in owner.variables)
    return next(filter(None, named), owner.addresses[0])


def is_known(url: str) -> bool:
    """Return whether the address is a provider's own or configured on this machine."""
    ollama = ollama_address(os.environ.get("OLLAMA_HOST", "").strip())
    return is_paired(url) or (origin(url) is not None and origin(url) == origin(ollama))


def address(call: Call) -> str | None:
    """Return the address of the call; None means the provider's default."""
    name, _ = split(call.model)
    provider = PROVIDERS.get(name, ProviderSettings())
    if call.base_url:
        return call.base_url
    url = os.environ.get(provider.url_env, "").strip() if provider.url_env else ""
    if name == "ollama":
        return ollama_address(url or str(provider.url)) + "/v1"
    return _checked(url, str(provider.url_env)) if url else provider.url


def ollama_address(host: str) -> str:
    """Return Ollama's address from OLLAMA_HOST, parsed as Ollama parses it."""
    scheme, _, rest = host.rpartition("://")
    authority, _, path = rest.partition("/")
    head, bracket, tail = authority.rpartition("]")  # an IPv6 address has colons of its own
    name, _, port = tail.partition(":")
    name = f"{head}{bracket}{name}"
    name = "127.0.0.1" if name in ("", "0.0.0.0", "[::]") else name
    port = port or {"http": "80", "https": "443"}.get(scheme, "11434")
    path = f"/{path}".rstrip("/").removesuffix("/v1")
    return _checked(f"{scheme or 'http'}://{name}:{port}{path}", "OLLAMA_HOST")


def _checked(url: str, variable: str) -> str:
    try:
        return checked_url(url)
    except ValueError as error:
        raise UsageError(f"{variable}: {error}") from error


def _check_package(provider: str, model: str) -> None:
    package = PACKAGES[provider]
    for needed in ("langchain", package.replace("-", "_")):
        if importlib.util.find_spec(needed) is None:
            raise MissingExtra(
                f"`{model}` needs {package}, which is not installed: "
                f"run `pip install langchain {package}`"
            )


def _unknown(provider: str, model: str) -> str:
    providers = [*PROVIDERS, *PACKAGES]
    near = get_close_matches(provider, providers, 1)
    hint = f"did you mean `{near[0]}:`?" if near else f"there are {', '.join(PROVIDERS)}"
    return (
        f"`{model}`: no provider is called {provider!r}; {hint} "
        "(or give the seat a `base_url`, if its server speaks OpenAI's protocol)"
    )
