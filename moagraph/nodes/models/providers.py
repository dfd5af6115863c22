"""Who serves a model: each provider's variables, its address, and its key from the environment."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from moagraph.nodes.errors import MissingExtra, MissingKey, UnknownName, UsageError
from moagraph.nodes.models.address import checked_url, split
from moagraph.nodes.models.call import Call, Substitute
from moagraph.nodes.models.key_addresses import OWNERS, check_allowed, is_paired, origin

NO_KEY = "not-needed"


@dataclass(frozen=True)
class Provider:
    """One provider: the variables it honours, and where it answers if they are silent."""

    key_env: str | None = None
    needs_key: bool = False
    url_env: str | None = None
    url: str | None = None
    hosted: bool = True
    logprobs: bool = True


PROVIDERS = {
    "together": Provider("TOGETHER_API_KEY", True, "TOGETHER_API_BASE"),
    "openai": Provider("OPENAI_API_KEY", True, "OPENAI_BASE_URL"),
    "ollama": Provider(url_env="OLLAMA_HOST", url="http://127.0.0.1:11434"),
    "vllm": Provider("VLLM_API_KEY", url_env="VLLM_BASE_URL", url="http://127.0.0.1:8000/v1"),
    "local": Provider(hosted=False),
    "scripted": Provider(hosted=False, logprobs=False),
}

# How those who bring a provider of their own check a call of it.
CHECKS: dict[str, Callable[[Call], None]] = {}

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
    """Refuse, before anything is sent, a provider that is unknown or lacks its key."""
    provider, _ = split(call.model)
    if provider in CHECKS:
        CHECKS[provider](call)
    elif speaks_openai(call):
        secret(call)
    elif provider not in PACKAGES:
        raise UnknownName(_unknown(provider, call.model))
    else:
        _check_package(provider, call.model)


def speaks_openai(call: Call) -> bool:
    """Whether its server's protocol is OpenAI's, and not one of a LangChain package's own."""
    return bool(call.base_url) or split(call.model)[0] in PROVIDERS


def gives_logprobs(call: Call | Substitute) -> bool:
    """Whether its server can say how likely each token was, as far as is known."""
    name, _ = split(call.model)
    return bool(call.base_url) or PROVIDERS.get(name, Provider(logprobs=False)).logprobs


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
    check_allowed(variable, where)
    return key


def key_variable(call: Call) -> tuple[str | None, bool]:
    """The variable that holds the call's key, and whether the call needs one."""
    if call.api_key_env:
        return call.api_key_env, True
    if call.base_url:  # a provider's key never goes to an address that a recipe names
        return None, False
    provider = PROVIDERS.get(split(call.model)[0], Provider())
    return provider.key_env, provider.needs_key


def destination(call: Call) -> str | None:
    """Where the call's key would be sent; None where our own clients send none."""
    if url := address(call):
        return url
    provider = PROVIDERS.get(split(call.model)[0], Provider())
    owner = OWNERS.get(provider.key_env or "")
    if owner is None:
        return None
    # A client that is given no address reads the other variables of its provider itself.
    named = (os.environ.get(name, "").strip() for name in owner.variables)
    return next(filter(None, named), owner.addresses[0])


def is_known(url: str) -> bool:
    """Whether the address is a provider's own, or this machine's configuration names it."""
    ollama = ollama_address(os.environ.get("OLLAMA_HOST", "").strip())
    return is_paired(url) or (origin(url) is not None and origin(url) == origin(ollama))


def address(call: Call) -> str | None:
    """Where the call goes; None means the provider's own address."""
    name, _ = split(call.model)
    provider = PROVIDERS.get(name, Provider())
    if call.base_url:
        return call.base_url
    url = os.environ.get(provider.url_env, "").strip() if provider.url_env else ""
    if name == "ollama":
        return ollama_address(url or str(provider.url)) + "/v1"
    return _checked(url, str(provider.url_env)) if url else provider.url


def ollama_address(host: str) -> str:
    """Ollama's own address from OLLAMA_HOST, which is read as Ollama reads it."""
    scheme, _, rest = host.rpartition("://")
    place, _, path = rest.partition("/")
    head, bracket, tail = place.rpartition("]")  # an IPv6 address has colons of its own
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
    known = [*PROVIDERS, *PACKAGES]
    near = get_close_matches(provider, known, 1)
    hint = f"did you mean `{near[0]}:`?" if near else f"there are {', '.join(PROVIDERS)}"
    return (
        f"`{model}`: no provider is called {provider!r}; {hint} "
        "(or give the seat a `base_url`, if its server speaks OpenAI's protocol)"
    )
