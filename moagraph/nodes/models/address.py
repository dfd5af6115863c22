"""How a model is named: `provider:model`, and at which address it answers."""

from urllib.parse import urlsplit


def split(model: str) -> tuple[str, str]:
    """The provider and the model's own name; a name without a provider is refused."""
    provider, colon, name = model.partition(":")
    if not colon or not provider or not name.strip():
        raise ValueError(f"{model!r} is not `provider:model`, such as `openai:gpt-4o-mini`")
    return provider, name


def checked_url(url: str) -> str:
    """The address of a server, refused where it is none or carries a secret."""
    if "@" in url or "?" in url:
        raise ValueError("an address must not hold a user, a password or a query: use api_key_env")
    if not _is_server(url):
        raise ValueError(f"{url!r} is not an http(s) address")
    return url.rstrip("/")


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def is_loopback(url: str) -> bool:
    """Whether the address is this machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")
