"""Hide API keys in what a provider may echo.

Errors are redacted because traces keep a copy of them, answers because they are stored and shown.
"""

from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

HIDDEN = "***"
SHORTEST = 8  # characters; a dummy key such as "none" or "ollama" is an ordinary word in answers


def keys_of(chat: Any) -> list[str]:
    """Return the API keys that the chat model holds."""
    values = [value for value in vars(chat).values() if isinstance(value, SecretStr)]
    return [value.get_secret_value() for value in values if value.get_secret_value()]


def keys_in_answers(keys: Iterable[str]) -> list[str]:
    """Return the keys to hide in answers too, longest first.

    A key may be the prefix of another one, of which the rest would stay visible.
    """
    return sorted((key for key in keys if len(key) >= SHORTEST), key=len, reverse=True)


def redact(value: Any, keys: Collection[str]) -> Any:
    """Replace the keys in a value, inside nested lists and dicts too."""
    if isinstance(value, str):
        for key in keys:
            value = value.replace(key, HIDDEN)
        return value
    if isinstance(value, list | tuple):
        return type(value)(redact(item, keys) for item in value)
    if isinstance(value, dict):
        return {redact(name, keys): redact(item, keys) for name, item in value.items()}
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**redact(vars(value), keys))
    return value


def redact_error(error: BaseException, keys: Collection[str]) -> None:
    """Replace the keys in an error and its causes, in place.

    In place because the same object is raised on: callers match its class and attributes.
    """
    cause: BaseException | None = error
    while cause:
        if response := getattr(cause, "response", None):  # LangChain traces its body
            headers = {name: response.headers[name] for name in response.headers}
            vars(cause)["response"] = SimpleNamespace(
                status_code=response.status_code, headers=headers
            )
        cause.args = redact(cause.args, keys)
        vars(cause).update(redact(vars(cause), keys))
        # Tracebacks print the implicit context too.
        cause = cause.__cause__ or cause.__context__
