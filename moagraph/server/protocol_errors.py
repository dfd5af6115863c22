"""What a client is told when something is wrong: OpenAI's shape, the right status, no secret."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from moagraph.nodes.errors import (
    MoaError,
    QuorumFailed,
    RunError,
    StepFailed,
    UsageError,
)
from moagraph.nodes.state import Json, calls_of_record

log = logging.getLogger("moagraph.server")

# By status: the type and the code that OpenAI's own server uses, or the nearest there is.
KINDS: dict[int, tuple[str, str | None]] = {
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
UNFORESEEN = "the server had an error; its log says more"
# What a server of models says of a request that it will never answer.
CALLERS = ("400:", "413:", "422:")


class ApiError(Exception):
    """A refusal with its status; `param` is the field that is meant."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the client is told."""
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.headers = dict(headers or {})

    def body(self) -> Json:
        """The error as OpenAI's clients read it."""
        kind, code = KINDS.get(self.status, ("server_error", None))
        told = {"message": str(self), "type": kind, "param": self.param, "code": self.code or code}
        return {"error": told}


def told(error: Exception) -> ApiError:
    """Any error as the client is told of it; what nobody foresaw goes to the log, not to him."""
    if isinstance(error, ApiError):
        return error
    if type(error) is UsageError:
        return ApiError(400, str(error))
    if isinstance(error, MoaError):  # a key, a package, a folder, the engine: the server's own
        log.warning("%s", error)
        return ApiError(503, str(error))
    log.error("a request failed", exc_info=error)
    return ApiError(500, UNFORESEEN)


def upstream(error: RunError, state: Mapping[str, Any]) -> Exception:
    """A run that could not finish, by how its calls failed."""
    if isinstance(error, StepFailed) and error.record:
        failed = [record for record in calls_of_record(dict(error.record)) if not record["ok"]]
        return ApiError(_status(failed), str(error))
    if isinstance(error, QuorumFailed):
        seats = list(state["layers"].values())[-1]
        failed = [record for record in seats.values() if not record["ok"]]
        return ApiError(_status(failed), str(error))
    return error


def _status(failed: Iterable[Mapping[str, Any]]) -> int:
    """One status for calls that all failed alike; 502 where they did not."""
    records = list(failed)
    if records and all(str(record["error"]).startswith(CALLERS) for record in records):
        return 400
    kinds = {record["kind"] for record in records}
    return {"timeout": 504, "rate_limited": 503}.get(kinds.pop(), 502) if len(kinds) == 1 else 502
