"""Keys are hidden wherever a provider may repeat them: in errors, of which a trace keeps a copy, and
in answers, which are stored and shown.
"""

from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

HIDDEN = "***"
SHORTEST = 8  # characters: a placeholder such as "none" or "ollama" is a word of many answers


def keys_of(chat: Any) -> list[str]:
    """The keys that the chat model holds."""
    values = [value for value in vars(chat).values() if isinstance(value, SecretStr)]
    return [value.get_secret_value() for value in values if value.get_secret_value()]


def keys_in_answers(keys: Iterable[str]) -> list[str]:
    """Those of the keys that are hidden in answers too, the longest first."""
    return sorted((key for key in keys if len(key) >= SHORTEST), key=len, reverse=True)


def redact(value: Any, keys: Collection[str]) -> Any:
    """The value without the keys, in whatever lists and dicts they stand."""
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
    """Hide the keys in the error, and in those that it came from."""
    cause: BaseException | None = error
    while cause:
        if response := getattr(cause, "response", None):  # LangChain's traces would keep its body
            headers = {name: response.headers[name] for name in response.headers}
            vars(cause)["response"] = SimpleNamespace(
                status_code=response.status_code, headers=headers
            )
        cause.args = redact(cause.args, keys)
        vars(cause).update(redact(vars(cause), keys))
        cause = cause.__cause__ or cause.__context__
