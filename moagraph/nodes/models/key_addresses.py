"""The addresses to which a key may be sent: its provider's, and those configured on this machine.

An address is compared by scheme, host and port, as the HTTP client itself reads them; a recipe
cannot extend what is allowed. What a person has approved in a terminal lies in the data folder.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from moagraph.nodes.errors import NotTrusted, StorageError, UsageError
from moagraph.nodes.models.address import checked_url
from moagraph.nodes.storage.data_dir import data_folder, try_lock

VARIABLE = "MOA_KEY_ADDRESSES"
FILE = "key_addresses.json"
PORTS = {"http": 80, "https": 443}
# Two parsers must not read two hosts from one address: international names are written as xn--.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")

Origin = tuple[str, str, int]

# Approvals read from the file: reading it for each call would block the event loop.
_approved: set[tuple[str, str, Origin]] = set()


@dataclass(frozen=True)
class KeyOwner:
    """A provider that issues keys: its addresses, and the variables that override them."""

    name: str
    addresses: tuple[str, ...]
    variables: tuple[str, ...]


def _owner(name: str, stem: str, *addresses: str, also: str = "") -> KeyOwner:
    variables = (f"{stem}_BASE_URL", f"{stem}_API_BASE", *([also] if also else []))
    return KeyOwner(name, addresses, variables)


# By the variable that holds the key.
OWNERS = {
    "TOGETHER_API_KEY": _owner(
        "Together", "TOGETHER", "https://api.together.xyz", "https://api.together.ai"
    ),
    "OPENAI_API_KEY": _owner("OpenAI", "OPENAI", "https://api.openai.com"),
    "VLLM_API_KEY": _owner("vLLM", "VLLM", "http://127.0.0.1:8000"),
    "OLLAMA_API_KEY": _owner("Ollama", "OLLAMA", "https://ollama.com"),
    "ANTHROPIC_API_KEY": _owner("Anthropic", "ANTHROPIC", "https://api.anthropic.com"),
    "AZURE_OPENAI_API_KEY": _owner("Azure", "AZURE_OPENAI", also="AZURE_OPENAI_ENDPOINT"),
    "CEREBRAS_API_KEY": _owner("Cerebras", "CEREBRAS", "https://api.cerebras.ai"),
    "COHERE_API_KEY": _owner("Cohere", "COHERE", "https://api.cohere.com", "https://api.cohere.ai"),
    "DEEPSEEK_API_KEY": _owner("DeepSeek", "DEEPSEEK", "https://api.deepseek.com"),
    "FIREWORKS_API_KEY": _owner("Fireworks", "FIREWORKS", "https://api.fireworks.ai"),
    "GEMINI_API_KEY": _owner("Google", "GEMINI", "https://generativelanguage.googleapis.com"),
    "GOOGLE_API_KEY": _owner("Google", "GOOGLE", "https://generativelanguage.googleapis.com"),
    "GROQ_API_KEY": _owner("Groq", "GROQ", "https://api.groq.com"),
    "HF_TOKEN": _owner("Hugging Face", "HF", "https://router.huggingface.co"),
    "MISTRAL_API_KEY": _owner("Mistral", "MISTRAL", "https://api.mistral.ai"),
    "NVIDIA_API_KEY": _owner("NVIDIA", "NVIDIA", "https://integrate.api.nvidia.com"),
    "OPENROUTER_API_KEY": _owner("OpenRouter", "OPENROUTER", "https://openrouter.ai"),
    "PERPLEXITY_API_KEY": _owner("Perplexity", "PERPLEXITY", "https://api.perplexity.ai"),
    "XAI_API_KEY": _owner("xAI", "XAI", "https://api.x.ai"),
}


def origin(url: str) -> Origin | None:
    """Return the scheme, host and port of an address; None if it is ambiguous."""
    import httpx

    try:
        parsed = httpx.URL(checked_url(url))
    except (ValueError, TypeError, httpx.InvalidURL):
        return None
    host = parsed.raw_host.decode("ascii")
    if not url.isascii() or parsed.userinfo or not _HOST.fullmatch(host):
        return None
    return parsed.scheme, host, parsed.port or PORTS[parsed.scheme]


def is_allowed(variable: str, url: str) -> bool:
    """Return whether the key in the variable may be sent to the address."""
    target = origin(url)
    if target is None:
        return False
    if any(origin(address) == target for address in _from_environment(variable)):
        return True
    approval = (os.environ.get("MOA_HOME", ""), variable, target)
    if approval not in _approved and target in map(origin, _remembered().get(variable, ())):
        _approved.add(approval)
    return approval in _approved


def check_allowed(variable: str, url: str) -> None:
    """Raise NotTrusted if nothing on this machine allows the address for the variable."""
    if is_allowed(variable, url):
        return
    if origin(url) is None:
        raise NotTrusted(
            f"the key in {variable} is not sent to {url!r}: write the address as https://host:port"
        )
    owner = OWNERS.get(variable)
    reason = f"it belongs to {owner.name}" if owner else "no address is paired with it"
    raise NotTrusted(
        f"the key in {variable} is not sent to {url!r}: {reason}; "
        f"if that server may have it, set {VARIABLE}={variable}={address_of(url)}"
    )


def can_be_paired(variable: str, url: str) -> bool:
    """Return whether the user may be asked to allow the pair: no known provider owns the key."""
    return variable not in OWNERS and origin(url) is not None and not is_allowed(variable, url)


def is_paired(url: str) -> bool:
    """Return whether the address belongs to a provider or is allowed for some variable."""
    return any(is_allowed(variable, url) for variable in (*OWNERS, *_configured(), *_remembered()))


def remember(variable: str, url: str) -> None:
    """Allow the pair permanently, in a file that only this user can read."""
    file = data_folder() / FILE
    try:
        with file.with_suffix(".lock").open("ab") as lock:
            while not try_lock(lock):
                time.sleep(0.01)
            approved = _remembered()
            pairs = {**approved, variable: sorted({*approved.get(variable, ()), address_of(url)})}
            # Replaced at once: a reader takes no lock and must not see half a file.
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(json.dumps(pairs, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            new.replace(file)
    except OSError as error:
        raise StorageError(f"cannot write {str(file)!r}: {error.strerror}") from error


def address_of(url: str) -> str:
    """Return the address without its path."""
    parsed = origin(url)
    if parsed is None:
        raise UsageError(f"{url!r} is not an address such as https://host:port")
    scheme, host, port = parsed
    host_part = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host_part}" + ("" if port == PORTS[scheme] else f":{port}")


def _from_environment(variable: str) -> Iterator[str]:
    """Yield the provider's addresses, and those that the environment allows for the variable."""
    owner = OWNERS.get(variable)
    if owner:
        yield from owner.addresses
        yield from filter(None, (os.environ.get(name, "").strip() for name in owner.variables))
    yield from _configured().get(variable, ())


def _configured() -> dict[str, list[str]]:
    """Parse MOA_KEY_ADDRESSES, such as `VAR=https://host,OTHER=http://127.0.0.1:9000`."""
    pairs: dict[str, list[str]] = {}
    for entry in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        variable, _, url = (part.strip() for part in entry.partition("="))
        if not variable or origin(url) is None:
            raise UsageError(f"{VARIABLE}: {entry!r} is not VARIABLE=https://host")
        pairs.setdefault(variable, []).append(url)
    return pairs


def _remembered() -> dict[str, list[str]]:
    """Return the pairs that were approved in a terminal."""
    file = data_folder() / FILE
    try:
        pairs = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable(file) from error
    if not isinstance(pairs, dict) or not all(map(_is_addresses, pairs.values())):
        raise _unreadable(file)
    return pairs


def _is_addresses(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(url, str) for url in value)


def _unreadable(file: Path) -> StorageError:
    return StorageError(f"cannot read the key addresses in {str(file)!r}: fix or delete the file")
