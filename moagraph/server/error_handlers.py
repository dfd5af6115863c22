"""Starlette's exception handlers: every error becomes a JSON body in OpenAI's form."""

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from moagraph.nodes.errors import MoaError
from moagraph.server.protocol_errors import INTERNAL_ERROR, ApiError, to_api_error


async def _send_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        message = f"{request.method} {request.url.path!r}: {error.detail.lower()}"
        error = ApiError(error.status_code, message, headers=error.headers)
    return _response(to_api_error(error))


async def _send_internal_error(request: Request, error: Exception) -> Response:
    """Answer an unexpected exception; Starlette raises it again, and the server logs it."""
    return _response(ApiError(500, INTERNAL_ERROR))


async def _ignore_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def _response(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


ERROR_HANDLERS: Mapping[Any, Any] = {
    HTTPException: _send_error,
    ApiError: _send_error,
    MoaError: _send_error,
    ClientDisconnect: _ignore_disconnect,
    Exception: _send_internal_error,
}
