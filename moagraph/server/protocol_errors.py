"""Errors as OpenAI's clients read them: a JSON body, the right status, and no secret."""

import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moagraph.nodes.errors import MoaError, QuorumFailed, RunError, StepFailed, UsageError
from moagraph.nodes.state import Json, calls_of_record

log = logging.getLogger("moagraph.server")

# By status: the `type` and the `code` that OpenAI's own server sends, or the nearest there is.
ERROR_TYPES: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "forbidden"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "request_timeout"),
    409: ("invalid_request_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    415: ("invalid_request_error", "unsupported_media_type"),
    429: ("requests", "rate_limit_exceeded"),
    431: ("invalid_request_error", "headers_too_large"),
    502: ("server_error", "upstream_error"),
    503: ("server_error", "unavailable"),
    504: ("server_error", "upstream_timeout"),
}
INTERNAL_ERROR = "the server had an error; its log says more"
# How a call's error begins when the provider rejected the request itself: a retry cannot help.
REJECTED_REQUEST = ("400:", "413:", "422:")


class ApiError(Exception):
    """A refused or failed request."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the error.

        Args:
            status: The HTTP status.
            message: One line for the client.
            param: The field of the request that is wrong, such as `messages[0].content`.
            code: OpenAI's error code, where the status alone does not determine it.
            headers: Further response headers.
        """
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.headers = dict(headers or {})

    def body(self) -> Json:
        """Build the JSON body."""
        kind, code = ERROR_TYPES.get(self.status, ("server_error", None))
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code or code}
        return {"error": error}


def to_api_error(error: Exception) -> ApiError:
    """Convert any exception; the details of an unexpected one go to the log only."""
    if isinstance(error, ApiError):
        return error
    if type(error) is UsageError:
        return ApiError(400, str(error))
    if isinstance(error, MoaError):  # a key, a package, a folder, the engine: the server's fault
        log.warning("%s", error)
        return ApiError(503, str(error))
    log_unexpected(error)
    return ApiError(500, INTERNAL_ERROR)


def log_unexpected(error: BaseException) -> None:
    """Log where an unexpected exception was raised.

    Its message stays out of the log: it may quote what a client sent.
    """
    log.error("a request failed\n%s", "\n".join(_stack_lines(error)))


def upstream_error(error: RunError, state: Mapping[str, Any]) -> Exception:
    """Choose the status of a failed run by how its model calls failed.

    Args:
        error: What ended the run.
        state: The run's layers and steps so far.
    """
    if isinstance(error, StepFailed) and error.record:
        failed = [call for call in calls_of_record(dict(error.record)) if not call["ok"]]
        return ApiError(_common_status(failed), str(error))
    if isinstance(error, QuorumFailed):
        last_layer = list(state["layers"].values())[-1]
        failed = [proposal for proposal in last_layer.values() if not proposal["ok"]]
        return ApiError(_common_status(failed), str(error))
    return error


def _stack_lines(error: BaseException | None) -> Iterator[str]:
    while error:
        yield f"{type(error).__module__}.{type(error).__qualname__}, raised at (innermost last):"
        yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__))
        error = error.__cause__ or error.__context__


def _common_status(failed: Iterable[Mapping[str, Any]]) -> int:
    """One status for calls that all failed in the same way; 502 where they did not."""
    calls = list(failed)
    if calls and all(str(call["error"]).startswith(REJECTED_REQUEST) for call in calls):
        return 400
    kinds = {call["kind"] for call in calls}
    return {"timeout": 504, "rate_limited": 503}.get(kinds.pop(), 502) if len(kinds) == 1 else 502
