"""Names of models, `provider:model`, and addresses of servers."""

from urllib.parse import urlsplit


def split(model: str) -> tuple[str, str]:
    """Split a name into provider and model; raise an error without a provider."""
    provider, colon, name = model.partition(":")
    if not colon or not provider or not name.strip():
        raise ValueError(f"{model!r} is not `provider:model`, such as `openai:gpt-4o-mini`")
    return provider, name


def checked_url(url: str) -> str:
    """Validate the address of a server, which must not contain a secret."""
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
    """Return whether the address is this machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")
