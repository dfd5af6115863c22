"""Classify failures of calls: the kind, one line without secrets, and whether to retry."""

import random
import re
from dataclasses import dataclass

from langchain_core.exceptions import ContextOverflowError

RETRYABLE = {408, 409, 425, 429}
MAX_LINE = 300
UNREADABLE = "the answer could not be read"
# OpenAI's protocol has no status for a prompt that is too long; servers report it as text.
TOO_LONG = re.compile(
    "context_length_exceeded|maximum context length|context (?:window|size)|prompt is too long"
    "|input tokens exceed the configured limit",
    re.I,
)


class BadResponse(Exception):
    """A response that cannot be used; `kind` becomes the kind of the reply."""

    def __init__(self, message: str, kind: str = "bad_answer") -> None:
        """Store the message and the kind."""
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Failure:
    """One failed attempt; `after` is the provider's `Retry-After` in seconds."""

    kind: str
    error: str
    again: bool = False
    after: float | None = None

    def wait(self, attempt: int) -> float:
        """Return the seconds until the next attempt: `after`, else exponential backoff."""
        if self.after is not None:
            return self.after
        return float(min(0.5 * 2 ** (attempt - 1), 20) * random.uniform(0.5, 1.0))


def failure(error: Exception, secret: str | None = None) -> Failure:
    """Classify an exception of a provider's client.

    Args:
        error: The exception.
        secret: The API key, which is redacted in the text.
    """
    if bad := _bad_response(error):
        text = _line(bad, secret)
        return Failure(bad.kind, text if bad.kind == "refused" else f"{UNREADABLE}: {text}")
    status = getattr(error, "status_code", None)
    text = _line(error, secret)
    if isinstance(status, int):
        return _of_status(status, f"{status}: {text}", error)
    if isinstance(error, ContextOverflowError):
        return _too_long(text)
    name = type(error).__name__
    if "Timeout" in name:
        return Failure("timeout", f"the server did not answer in time ({name})", again=True)
    if _is_transport(error):
        return Failure("unreachable", text, again=True)
    return Failure("bad_answer", f"{UNREADABLE}: {text}")


def internal_failure(error: Exception, secret: str | None = None) -> str:
    """Return one line about an unexpected exception, which fails one call and not the run."""
    return f"an error of this program, please report it: {type(error).__name__}: " + _line(
        error, secret
    )


def _bad_response(error: BaseException) -> BadResponse | None:
    """Find a BadResponse among the causes: clients report it as a failed connection."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, BadResponse):
            return cause
        cause = cause.__cause__
    return None


def _of_status(status: int, text: str, error: Exception) -> Failure:
    if status == 429:
        return Failure("rate_limited", text, again=True, after=_retry_after(error))
    if status == 408:
        return Failure("timeout", text, again=True)
    if status in RETRYABLE or status >= 500:
        return Failure("unreachable", text, again=True, after=_retry_after(error))
    if isinstance(error, ContextOverflowError) or TOO_LONG.search(f"{text} {_code(error)}"):
        return _too_long(text)
    return Failure("refused", text)


def _too_long(text: str) -> Failure:
    hint = "a recipe may say the model's `context_window`"
    return Failure("refused", f"too long for the model's window, {hint} ({text})"[:MAX_LINE])


def _code(error: Exception) -> str:
    body = getattr(error, "body", None)
    return str(body.get("code") or body.get("type") or "") if isinstance(body, dict) else ""


def _is_transport(error: Exception) -> bool:
    """Return whether the connection failed; the clients' errors share names but no base class."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"APIConnectionError", "TransportError", "ConnectionError"})


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _line(error: Exception, secret: str | None) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    text = " ".join(str(message or error).split()) or type(error).__name__
    cause = error.__cause__
    if not message and cause is not None and str(cause):
        text = f"{text} ({' '.join(str(cause).split())})"
    return (text.replace(secret, "***") if secret else text)[:MAX_LINE]
